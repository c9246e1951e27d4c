"""An operator as a process of its own, behind a fault proxy, that ends by SIGKILL."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from support.faults.trial import Trial
from support.operator_process import OperatorProcess


class KilledProcess:
    """`python -m rayfleet`; dropping it is `kill -9`."""

    def __init__(
        self,
        trial: Trial,
        port: int = 0,
        identity: str = "operator-0",
        program: Sequence[str] = ("-m", "rayfleet"),
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rayfleet-faults-"))
        kubeconfig = plain_kubeconfig(port or trial.proxy.port, trial.bed.token, self._folder)
        name = trial.namespace.name
        # Without ports of their own: with many side by side, one that is free now may be taken soon.
        ports = ["--health-port", "0", "--metrics-port", "0"]
        scope = ["--namespace", name, "--lease-namespace", name, *ports]
        self.process = OperatorProcess(kubeconfig, self._folder, scope, identity=identity, program=program)

    def start(self) -> None:
        self.process.start(wait=False)

    def drop(self) -> None:
        self.process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def failure(self) -> str | None:
        """The end of its log, if it has ended by itself."""
        return None if self.process.runs else self.process.last_words()


def plain_kubeconfig(port: int, token: str, folder: Path) -> Path:
    """A kubeconfig for a proxy on this machine that speaks plain HTTP."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "operator", "context": {"cluster": "proxy", "user": "operator"}}],
        "current-context": "operator",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)
    return file
