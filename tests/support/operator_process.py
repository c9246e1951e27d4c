"""The operator as a process of its own, with exactly the rights that the chart grants."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from support.cluster_api import ApiError, ClusterApi
from support.waiting import eventually
from testbed import binaries

RELEASE = "rayfleet"
REPOSITORY = Path(__file__).parents[2]


def install_chart(kubeconfig: Path, *values: str) -> None:
    """Install the chart with the real helm: CRDs, service account, rights, and a Deployment."""
    helm = binaries.path("helm")
    settings = [word for value in values for word in ("--set", value)]
    command = [
        str(helm), "upgrade", "--install", RELEASE, str(REPOSITORY / "charts" / "rayfleet"),
        "--kubeconfig", str(kubeconfig), "--namespace", RELEASE, "--create-namespace", *settings,
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def wait_for_owner_references(api: ClusterApi, seconds: float = 60, kind: str = "RayCluster") -> None:
    """Wait until the API server's admission knows the new kind: it learns of a CRD within half a minute."""
    owner = {"apiVersion": "ray.io/v1", "kind": kind, "name": "x", "uid": "x"}
    reference = {**owner, "controller": True, "blockOwnerDeletion": True}
    body = {"metadata": {"name": "x", "ownerReferences": [reference]}, "spec": {"ports": [{"port": 1}]}}
    user = f"system:serviceaccount:{RELEASE}:{RELEASE}"

    refusal = ""

    def known() -> bool:
        nonlocal refusal
        try:
            api.call("POST", "/api/v1/namespaces/default/services", body, impersonate=user, dryRun="All")
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                refusal = str(error)
                return False
            raise
        return True

    eventually(f"admission to know {kind}s", known, seconds=seconds, why=lambda: refusal)


def service_account_kubeconfig(
    api: ClusterApi, folder: Path, server: str | None = None, account: str = RELEASE
) -> Path:
    """A kubeconfig with a token of the chart's service account, or of another in its namespace."""
    path = f"/api/v1/namespaces/{RELEASE}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = api.call("POST", path, body)["status"]["token"]
    given = yaml.safe_load(api.kubeconfig.read_text())
    cluster = given["clusters"][0]
    if server is not None:
        cluster["cluster"]["server"] = server
    user = {"name": "operator", "user": {"token": token}}
    context = {"name": "operator", "context": {"cluster": cluster["name"], "user": "operator"}}
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "users": [user],
        "contexts": [context],
        "current-context": "operator",
    }
    file = folder / "operator.kubeconfig"
    file.write_text(yaml.safe_dump(made))
    file.chmod(0o600)
    return file


class Grants:
    """The rights that the chart gives with `watchNamespaces`, for a service account of its own."""

    _RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"

    def __init__(self, api: ClusterApi, account: str, *values: str) -> None:
        """`values` are those of the chart, as for `--set`."""
        self._api = api
        self.account = account
        metadata = {"name": account, "namespace": RELEASE}
        api.call("POST", f"/api/v1/namespaces/{RELEASE}/serviceaccounts", {"metadata": metadata})
        rendered = subprocess.run(
            [
                str(binaries.path("helm")), "template", RELEASE, str(REPOSITORY / "charts" / "rayfleet"),
                "--set", ",".join(("watchNamespaces={x}", *values)), "--show-only", "templates/rbac.yaml",
            ],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        roles = [each for each in yaml.safe_load_all(rendered.stdout) if each["kind"] == "Role"]
        self._rules = {role["metadata"]["namespace"]: role["rules"] for role in roles}

    def give(self, namespace: str, *, lease: bool = False) -> None:
        """Grant everything it needs in a namespace, or what the leader's Lease there needs."""
        rules = self._rules["default" if lease else "x"]
        name = f"{self.account}-lease" if lease else self.account
        metadata = {"name": name, "namespace": namespace}
        self._api.call("POST", f"{self._RBAC}/{namespace}/roles", {"metadata": metadata, "rules": rules})
        self._api.call(
            "POST",
            f"{self._RBAC}/{namespace}/rolebindings",
            {
                "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": self.account, "namespace": RELEASE}],
            },
        )

    def take(self, namespace: str) -> None:
        """Revoke all of it."""
        for kind in ("rolebindings", "roles"):
            self._api.call("DELETE", f"{self._RBAC}/{namespace}/{kind}/{self.account}")


def grant_lease(api: ClusterApi, namespace: str) -> None:
    """Grant the chart's rights to the leader's Lease in another namespace than the chart's."""
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces"
    for collection in ("roles", "rolebindings"):
        granted = api.call("GET", f"{rbac}/{RELEASE}/{collection}/{RELEASE}-leader")
        metadata = {"name": granted["metadata"]["name"], "namespace": namespace}
        api.call("POST", f"{rbac}/{namespace}/{collection}", {**granted, "metadata": metadata})


class OperatorProcess:
    """`python -m rayfleet`, started and stopped by the test; it keeps its identity, as a pod does."""

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        arguments: Sequence[str] = (),
        *,
        identity: str = "operator-0",
        program: Sequence[str] = ("-m", "rayfleet"),
    ) -> None:
        """`program`: what Python is to run."""
        self._kubeconfig = kubeconfig
        self._log = folder / f"{identity}.log"
        self._arguments = ["--identity", identity, *arguments]
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.metrics_port = 0

    def replica(self, identity: str) -> "OperatorProcess":
        """Another such process, not started yet."""
        folder, arguments = self._log.parent, self._arguments[2:]
        return OperatorProcess(self._kubeconfig, folder, arguments, identity=identity, program=self._program)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it says that it is ready."""
        assert self._process is None, "it runs already"
        self.port, self.metrics_port = free_ports(2)
        command = [
            sys.executable, *self._program, "--kubeconfig", str(self._kubeconfig),
            "--health-host", "127.0.0.1", "--health-port", str(self.port),
            "--metrics-host", "127.0.0.1", "--metrics-port", str(self.metrics_port), *self._arguments,
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stderr=log, stdout=log, cwd=REPOSITORY, env=_environment()
            )
        if wait:
            eventually("the operator to be ready", self.is_ready, seconds=20, why=self.last_words)

    def stop(self, seconds: float = 10.0) -> float:
        """Ask it to end (SIGTERM); return the seconds that took."""
        assert self._process is not None, "it does not run"
        asked = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the operator did not end within {seconds:g} s of SIGTERM") from None
        self._process = None
        assert code == 0, f"the operator ended with {code}: {self.last_words()}"
        return time.monotonic() - asked

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Suspend it, as on a machine without a free CPU."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(signal.SIGCONT)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        assert self.runs, f"the operator has ended: {self.last_words()}"
        return self.health("readyz")[0] == 200

    def health(self, path: str) -> tuple[int, str]:
        """Status and body of a health endpoint; status 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> str:
        """What a scraper without special headers gets: the text format."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text: str = answer.read().decode()
            return text

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text().splitlines()[-15:]) if self._log.exists() else ""


def free_ports(count: int) -> list[int]:
    """Distinct ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(REPOSITORY / "operator"), "PYTHONWARNINGS": "default"}
