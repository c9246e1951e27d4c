"""Sets of values, and what helm makes of the chart with them."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from testbed import binaries

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "charts" / "rayfleet"
FOLDER: Final = ROOT / "tests" / "golden" / "chart"
RELEASE: Final = "rayfleet"
NAMESPACE: Final = "rayfleet-system"
RECORDED_ELSEWHERE: Final = tuple(
    f"# Source: rayfleet/templates/{name}.yaml" for name in ("prometheusrule", "dashboards")
)
"""The alerts and the dashboards are in charts/rayfleet, as they are."""
DEFAULT: Final = "default"
"""The set without values, with which the others are compared."""
_NAMED: Final = re.compile(
    r"^kind: (\S+)$.*?^  name: (\S+)$(?:\n  namespace: (\S+)$)?", re.MULTILINE | re.DOTALL
)


class RenderError(Exception):
    """helm refused; its words."""


def value_sets() -> Sequence[str]:
    """The names of all sets."""
    return sorted(file.stem for file in (FOLDER / "values").glob("*.yaml"))


def values_of(name: str) -> Path:
    """The file with the values of a set."""
    return FOLDER / "values" / f"{name}.yaml"


def render(name: str) -> str:
    """The manifests of the release with this set, without the CRD, which is recorded in crds/."""
    where = (RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--kube-version=1.36")
    command = [str(binaries.path("helm")), "template", *where, f"--values={values_of(name)}"]
    done = subprocess.run([*command, "--set=crds.enabled=false"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderError(f"{name}: {done.stderr}")
    return done.stdout


def differences(name: str) -> str:
    """What is recorded of a set: the default's manifests, or those that differ from the default's."""
    manifests = _by_name(render(name))
    if name == DEFAULT:
        return "---\n" + "---\n".join(manifests.values())
    usual = _by_name(render(DEFAULT))
    absent = [f"# without {key}\n" for key in usual if key not in manifests]
    changed = [text for key, text in manifests.items() if usual.get(key) != text]
    return "".join(absent) + "".join(f"---\n{text}" for text in changed)


def _by_name(rendered: str) -> dict[str, str]:
    """The manifests by kind, name and namespace."""
    texts = (text.strip() + "\n" for text in re.split(r"^---$", rendered, flags=re.MULTILINE))
    return {_name(text): text for text in texts if text.strip() and not text.startswith(RECORDED_ELSEWHERE)}


def _name(manifest: str) -> str:
    found = _NAMED.search(manifest)
    assert found, manifest  # noqa: S101 - every object has a kind and a name
    return " ".join(part for part in found.groups() if part)
