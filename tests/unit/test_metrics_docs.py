"""What is written about metrics is true of them."""

import re
from pathlib import Path

import pytest

from metrics.cli import main
from metrics.page import reference
from rayfleet.telemetry.metrics.definition import Definition, Type
from rayfleet.telemetry.metrics.definitions import SECTIONS

DOCS = Path(__file__).parents[2] / "docs"
ALL = [of for section in SECTIONS for of in section.definitions]
PARTS = ("bucket", "sum", "count")
NAMES = {
    name for of in ALL for name in ([f"{of.name}_{part}" for part in PARTS] if of.buckets else [of.name])
}
LABELS = {label for of in ALL for label in of.labels} | {"le", "job"}


def queries() -> list[str]:
    """Every line of PromQL in the how-to."""
    blocks = re.findall(r"```promql\n(.*?)```", (DOCS / "monitoring.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_how_to_has_queries() -> None:
    """The tests below find something to look at."""
    assert len(queries()) > 10


@pytest.mark.parametrize("query", queries())
def test_a_query_of_the_how_to_names_metrics_and_labels_that_exist(query: str) -> None:
    """An on-call who pastes it gets an answer."""
    named = set(re.findall(r"\b(?:rayfleet|kuberay|process)_\w+", query))
    assert named
    assert named <= NAMES
    by = {label for part in re.findall(r"by \(([^)]*)\)", query) for label in part.split(", ")}
    assert by | set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query)) <= LABELS


def test_the_reference_is_what_the_definitions_say() -> None:
    """`make lint` checks the same."""
    assert (DOCS / "reference" / "metrics.md").read_text() == reference()
    assert main(["--check"]) == 0


@pytest.mark.parametrize("of", ALL, ids=lambda of: of.name)
def test_a_name_follows_prometheus_conventions(of: Definition) -> None:
    """Counters end in _total, times are in seconds, and what is ours says so."""
    assert re.fullmatch(r"(rayfleet|kuberay|process)_[a-z_]+", of.name)
    assert of.name.endswith("_total") == (of.type is Type.COUNTER)
    assert of.help.endswith(".")
    assert "|" not in of.help
    if of.type is Type.HISTOGRAM:
        assert of.name.endswith("_seconds")
        assert not {"name", "namespace", "group"} & set(of.labels)
        assert list(of.buckets) == sorted(of.buckets)
