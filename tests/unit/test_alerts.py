"""The alerts: what each reads, what it says, and its runbook."""

import json
import re
from typing import Any

import pytest

from alerts.cli import main
from alerts.rules import Alert, read_alerts
from generated_page import REPOSITORY
from promql import family, metrics_of
from rayfleet.telemetry.metrics.definition import Type
from rayfleet.telemetry.metrics.definitions import SECTIONS

ALERTS = read_alerts()
OURS = {definition.name: definition.type for section in SECTIONS for definition in section.definitions}
HISTOGRAMS = {name for name, kind in OURS.items() if kind is Type.HISTOGRAM}
OF_OTHERS = {"container_memory_working_set_bytes", "kube_pod_container_resource_limits"}
"""Metrics of the kubelet and of kube-state-metrics."""
SECTIONS_OF_A_RUNBOOK = ["Meaning", "Impact", "What to look at", "What to do"]


def runbook(alert: Alert) -> str:
    return (REPOSITORY / "docs" / "runbooks" / f"{alert.name}.md").read_text()


def test_the_page_lists_the_alerts() -> None:
    """`make lint` checks the same."""
    assert main(["--check"]) == 0


def test_values_can_name_exactly_these_alerts() -> None:
    schema: dict[str, Any] = json.loads((REPOSITORY / "charts/rayfleet/values.schema.json").read_text())
    rule = schema["properties"]["metrics"]["properties"]["prometheusRule"]["properties"]
    assert list(rule["alerts"]["properties"]) == [alert.name for alert in ALERTS]
    assert rule["alerts"]["additionalProperties"] is False


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
class TestEachAlert:
    def test_it_reads_metrics_that_exist(self, alert: Alert) -> None:
        """The operator's, or those that its runbook says where they come from."""
        read = {family(name, HISTOGRAMS) for name in metrics_of(alert.expression)}
        assert read
        assert read <= set(OURS) | OF_OTHERS
        for name in read & OF_OTHERS:
            assert name in runbook(alert)

    def test_it_says_what_is_wrong_in_sentences(self, alert: Alert) -> None:
        """The summary has no label, so equal alerts read the same; the description names the object."""
        assert re.fullmatch(r"[A-Z][^{}]*\.", alert.summary)
        assert alert.description.endswith(".")
        assert alert.severity in {"critical", "warning"}
        assert alert.name.startswith("Rayfleet")

    def test_its_runbook_answers_four_questions(self, alert: Alert) -> None:
        """It has at least one command to copy."""
        page = runbook(alert)
        assert page.startswith(f"# {alert.name}\n")
        assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS_OF_A_RUNBOOK
        assert "```bash" in page
        assert "It has worked when" in page

    def test_queries_of_its_runbook_read_metrics_that_exist(self, alert: Alert) -> None:
        for block in re.findall(r"```promql\n(.*?)```", runbook(alert), re.DOTALL):
            for query in block.splitlines():
                assert {family(name, HISTOGRAMS) for name in metrics_of(query)} <= set(OURS)


def test_metrics_are_found_in_any_query() -> None:
    """Not labels, functions, variables, text or words of the language."""
    query = (
        'sum by (le, x) (rate(a_bucket{b="c_d", e=~"f"}[$__rate_interval])) / on (x) group_left (y) '
        'label_replace(g:h{i="$j"}, "k", "$1", "l", "(.*)") > bool 1e3 and topk(5, m offset 5m) # n\n or inf'
    )
    assert metrics_of(query) == {"a_bucket", "g:h", "m"}
    assert family("a_bucket", {"a"}) == "a"
    assert family("a_count", set()) == "a_count"
