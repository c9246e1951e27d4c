"""The chart beside the values of the release before: `helm upgrade --reuse-values` gives it these alone."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from rayfleet.settings.flags import Settings, parse
from support.operator_process import RELEASE, REPOSITORY
from testbed import binaries

CHART = REPOSITORY / "charts" / "rayfleet"
BEFORE = Path(__file__).with_name("values_of_the_release_before.yaml")


def rendered(chart: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The chart's objects, by kind and name."""
    helm = str(binaries.path("helm"))
    done = subprocess.run(
        [helm, "template", RELEASE, str(chart), "--set=watchNamespaces={a}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        (item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout) if item
    }


def settings_of(objects: dict[tuple[str, str], dict[str, Any]]) -> Settings:
    (deployment,) = (item for (kind, _), item in objects.items() if kind == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    flags = [flag for flag in container["args"] if not flag.startswith("--scaling-config=")]
    return replace(parse(flags, {}), identity="")


def test_the_values_of_the_release_before_are_enough(tmp_path: Path) -> None:
    """They come to what today's defaults come to, for the operator and its rights."""
    chart = shutil.copytree(CHART, tmp_path / "rayfleet")
    assert (
        yaml.safe_load(BEFORE.read_text()).keys() < yaml.safe_load((chart / "values.yaml").read_text()).keys()
    )
    shutil.copy(BEFORE, chart / "values.yaml")
    before, now = rendered(chart), rendered(CHART)
    assert before.keys() == now.keys()
    assert settings_of(before) == settings_of(now)
    rules = {key: item.get("rules") for key, item in now.items()}
    assert {key: item.get("rules") for key, item in before.items()} == rules
