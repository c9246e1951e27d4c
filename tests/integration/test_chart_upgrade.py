"""The chart beside the values of the release before: `helm upgrade --reuse-values` gives it these alone."""

import shutil
from pathlib import Path

import yaml
from msgspec.structs import replace

from rayfleet.settings.flags import Settings, parse
from support.chart import BEFORE, CHART, Object, must_helm, the
from support.operator_process import RELEASE


def rendered(chart: Path) -> dict[tuple[str, str], Object]:
    """The chart's objects, by kind and name."""
    text = must_helm("template", RELEASE, str(chart), "--set=watchNamespaces={a}")
    objects = [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def settings_of(objects: dict[tuple[str, str], Object]) -> Settings:
    deployment = the("Deployment", list(objects.values()))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    flags = [flag for flag in container["args"] if not flag.startswith("--scaling-config=")]
    return replace(parse(flags, {}), identity="")


def test_the_values_of_the_release_before_are_enough(tmp_path: Path) -> None:
    """They render the same as today's defaults, for the operator and its rights."""
    chart = shutil.copytree(CHART, tmp_path / "rayfleet")
    values = must_helm("show", "values", str(BEFORE))
    assert yaml.safe_load(values).keys() < yaml.safe_load((chart / "values.yaml").read_text()).keys()
    (chart / "values.yaml").write_text(values)
    before, now = rendered(chart), rendered(CHART)
    assert before.keys() == now.keys()
    assert settings_of(before) == settings_of(now)
    rules = {key: item.get("rules") for key, item in now.items()}
    assert {key: item.get("rules") for key, item in before.items()} == rules
