"""The dashboards: what Grafana's schema leaves open, and what each panel reads."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dashboards.cli import BOARDS, FOLDER, main
from generated_page import REPOSITORY
from promql import family, metrics_of
from rayfleet.telemetry.metrics.definition import Type
from rayfleet.telemetry.metrics.definitions import SECTIONS

Json = dict[str, Any]
DOCS = "https://github.com/rayfleet/rayfleet/blob/main/"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
OURS = {definition.name: definition for section in SECTIONS for definition in section.definitions}
HISTOGRAMS = {name for name, definition in OURS.items() if definition.type is Type.HISTOGRAM}
OF_PROMETHEUS = {"ALERTS"}
OF_THE_KUBELET = {"container_memory_working_set_bytes", "kube_pod_container_resource_limits"}
OF_RAY = {
    *("ray_actors", "ray_node_cpu_count", "ray_node_cpu_utilization", "ray_node_mem_used"),
    *("ray_object_store_memory", "ray_tasks"),
}
OF_NVIDIA = {"DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_GPU_UTIL"}
OF_OTHERS = OF_PROMETHEUS | OF_THE_KUBELET | OF_RAY | OF_NVIDIA
OF_GRAFANA = {"__all", "__data", "__rate_interval", "datasource"}
FILES = {board.uid: json.loads((REPOSITORY / FOLDER / f"{board.uid}.json").read_text()) for board in BOARDS}


def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def marks(board: Json) -> list[Json]:
    """Queries whose answers are marked in every graph."""
    return list(board["annotations"].get("list", []))


def expressions(board: Json) -> Iterator[str]:
    """Every query of a board, of its marks too."""
    for panel in panels(board):
        yield from (target["expr"] for target in panel["targets"])
    yield from (mark["expr"] for mark in marks(board))


def variables(board: Json) -> Mapping[str, Json]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def links(board: Json) -> Iterator[str]:
    """Every address to which a board leads."""
    yield from (link["url"] for link in board["links"])
    for panel in panels(board):
        yield from (link["url"] for link in panel["links"])
        for override in panel["fieldConfig"].get("overrides", []):
            for property_ in override["properties"]:
                yield from (link["url"] for link in property_["value"])


def test_the_files_are_what_the_code_makes() -> None:
    """`make lint` looks at the same."""
    assert main(["--check"]) == 0
    written = {file.stem for file in (REPOSITORY / FOLDER).iterdir()}
    assert written == set(FILES)


@pytest.mark.parametrize("board", FILES.values(), ids=FILES)
class TestEachBoard:
    def test_panels_have_ids_and_places_of_their_own(self, board: Json) -> None:
        """Side by side or below each other, within the grid."""
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + right, place["y"] + down)
                for right in range(place["w"])
                for down in range(place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_a_stranger_understands_every_panel(self, board: Json) -> None:
        """A question as its title, a description in sentences, a unit, and a name for each line."""
        for panel in panels(board):
            assert panel["title"].endswith("?")
            assert re.fullmatch(r"[A-Z0-9].*\.", panel["description"]), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            for target in panel["targets"]:
                assert target["legendFormat"] not in {"", "__auto"}
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    assert label in target["expr"], f"{panel['title']}: {label}"

    def test_the_reader_chooses_the_prometheus(self, board: Json) -> None:
        """Nothing names a data source of ours."""
        assert variables(board)["datasource"]["query"] == "prometheus"
        for holder in (*panels(board), *marks(board)):
            assert holder["datasource"] == SOURCE
            for target in holder.get("targets", []):
                assert target["datasource"] == SOURCE

    def test_every_variable_exists_and_is_used(self, board: Json) -> None:
        text = json.dumps([panels(board), marks(board), list(variables(board).values())])
        used = set(re.findall(r"\$\{?([a-zA-Z_]\w*)", text)) - OF_GRAFANA
        assert used == set(variables(board)) - {"datasource"}

    def test_every_link_leads_somewhere(self, board: Json) -> None:
        """To a board of ours with variables that it has, or to a page of this repository."""
        for panel in panels(board):
            assert panel["links"], panel["title"]
        for url in links(board):
            if url.startswith("/d/"):
                uid, _, arguments = url.removeprefix("/d/").partition("?")
                given = set(re.findall(r"\bvar-(\w+)=", arguments))
                assert given <= set(variables(FILES[uid])), url
            else:
                assert url.startswith(DOCS), url
                assert (REPOSITORY / url.removeprefix(DOCS)).is_file(), url

    def test_every_query_reads_metrics_and_labels_that_exist(self, board: Json) -> None:
        """The operator's, or those of a program that the board names."""
        for expression in expressions(board):
            read = {family(name, HISTOGRAMS) for name in metrics_of(expression)}
            assert read, expression
            assert read <= set(OURS) | OF_OTHERS, expression
            if read <= set(OURS):
                of_targets = {"instance", "job", "le"}
                known = of_targets.union(*(OURS[name].labels for name in read))
                assert labels_of(expression) <= known, expression


def labels_of(expression: str) -> set[str]:
    """The labels by which a query selects and groups."""
    selected = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression)
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    return {*selected, *(label.strip() for labels in grouped for label in labels.split(","))}
