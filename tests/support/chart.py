"""The chart, and the output of the real helm for it."""

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import yaml

from support.operator_process import RELEASE, REPOSITORY
from testbed import binaries

CHART: Final = REPOSITORY / "charts" / "rayfleet"

BEFORE: Final = REPOSITORY / "tests" / "integration" / "chart_of_the_release_before.tgz"
"""The chart of the release before, as `helm package` made it. Users upgrade from it."""

Object = dict[str, Any]


def helm(*arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What helm did, whether or not it succeeded."""
    where = () if kubeconfig is None else ("--kubeconfig", str(kubeconfig))
    return subprocess.run(
        [str(binaries.path("helm")), *arguments, *where], capture_output=True, text=True, check=False
    )


def must_helm(*arguments: str, kubeconfig: Path | None = None) -> str:
    """What helm printed. Fails unless it succeeded."""
    done = helm(*arguments, kubeconfig=kubeconfig)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render_file(values: Path, *, namespace: str = "default", chart: Path = CHART) -> list[Object]:
    """The chart's objects with a file of values, CRDs left out."""
    place = (RELEASE, str(chart), f"--namespace={namespace}")
    text = must_helm("template", *place, f"--values={values}", "--set=crds.enabled=false")
    return [item for item in yaml.safe_load_all(text) if item]


def of_kind(kind: str, objects: list[Object]) -> list[Object]:
    return [item for item in objects if item["kind"] == kind]


def the(kind: str, objects: list[Object]) -> Object:
    """The only object of this kind."""
    (found,) = of_kind(kind, objects)
    return found


def chart_of_the_last_commit(folder: Path) -> Path:
    """The chart before the commit that last changed it, or as of HEAD if the history is shorter."""
    log = _git("log", "--max-count=2", "--format=%H", "--", "charts/rayfleet").decode().split()
    archive = _git("archive", log[-1] if log else "HEAD", "charts/rayfleet")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder / "charts" / "rayfleet"


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class HelmRelease:
    """A release on a real API server."""

    kubeconfig: Path
    name: str = RELEASE
    namespace: str = RELEASE

    def install(self, chart: Path = CHART, *options: str) -> str:
        """Install it; what helm printed."""
        return self._run("install", self.name, str(chart), "--create-namespace", *options)

    def refusal(self, chart: Path = CHART, *options: str) -> str:
        """Why it cannot be installed."""
        command = ("install", self.name, str(chart), "--create-namespace", *options)
        done = helm(*command, f"--namespace={self.namespace}", kubeconfig=self.kubeconfig)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def upgrade(self, chart: Path = CHART, *options: str) -> str:
        """Upgrade it; what helm printed."""
        return self._run("upgrade", self.name, str(chart), *options)

    def rollback(self, revision: int) -> None:
        self._run("rollback", self.name, str(revision))

    def uninstall(self) -> str:
        """Uninstall it; what helm printed."""
        return self._run("uninstall", self.name)

    def _run(self, *arguments: str) -> str:
        return must_helm(*arguments, f"--namespace={self.namespace}", kubeconfig=self.kubeconfig)
