"""The chart, and what the real helm makes of it."""

import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from support.operator_process import RELEASE, REPOSITORY
from testbed import binaries

CHART: Final = REPOSITORY / "charts" / "rayfleet"

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
