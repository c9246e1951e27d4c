"""The dashboards that the chart ships, as Grafana's sidecar finds them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.cli import BOARDS
from support.chart import Object, of_kind, render_file
from support.cluster_api import ClusterApi


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """A file for values."""
    return tmp_path / "values.yaml"


def boards(file: Path, **dashboards: Any) -> list[Object]:
    """The ConfigMaps of boards with these values."""
    file.write_text(yaml.safe_dump({"grafana": {"dashboards": dashboards}}))
    maps = of_kind("ConfigMap", render_file(file, namespace="somewhere"))
    return [each for each in maps if each["metadata"]["name"].endswith("-board")]


def test_boards_are_installed_only_where_somebody_asks_for_them(values: Path) -> None:
    assert not boards(values)
    assert len(boards(values, enabled=True)) == len(BOARDS)


def test_each_config_map_is_one_board_as_it_is(values: Path, api: ClusterApi) -> None:
    """Nothing in it is taken for a template of helm, and an API server takes it."""
    found: dict[str, Object] = {}
    for each in boards(values, enabled=True):
        path = "/api/v1/namespaces/default/configmaps"
        metadata = {**each["metadata"], "namespace": "default"}
        api.call("POST", path, {**each, "metadata": metadata}, dryRun="All")
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((name, text),) = each["data"].items()
        found[name] = json.loads(text)
    assert found == {f"{board.uid}.json": json.loads(board.as_json()) for board in BOARDS}


def test_a_sidecar_with_other_settings_finds_them_too(values: Path) -> None:
    """Its label, its folder and its namespace are values."""
    made = boards(
        values,
        enabled=True,
        namespace="monitoring",
        labels={"team": "ray"},
        annotations={"grafana_folder": "Ray"},
    )
    for each in made:
        assert each["metadata"]["namespace"] == "monitoring"
        assert each["metadata"]["labels"]["team"] == "ray"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Ray"}
