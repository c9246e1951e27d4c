"""The alerts of the chart: their rendering by helm, and when Prometheus fires and resolves each."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.rules import read_alerts
from support.alert_scenes import SCENES, Scene
from support.chart import CHART, Object, helm, of_kind, render_file, the
from support.operator_process import RELEASE
from support.prometheus import promtool_rule_tests

ON = {"enabled": True}
RUNBOOKS = "https://github.com/rayfleet/rayfleet/blob/main/docs/runbooks"


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """A file for values."""
    return tmp_path / "values.yaml"


def rendered(file: Path, **rule: Any) -> list[Object]:
    """The chart's objects with these values of its alerts."""
    file.write_text(yaml.safe_dump({"metrics": {"prometheusRule": rule}}))
    return render_file(file, namespace="somewhere")


def rules_of(objects: list[Object]) -> dict[str, Object]:
    """The alerts by name."""
    groups = the("PrometheusRule", objects)["spec"]["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.alert)
def test_each_alert_fires_after_its_time_and_resolves(scene: Scene, values: Path, tmp_path: Path) -> None:
    """Prometheus itself evaluates the rendered rules, with the shipped durations."""
    (alert,) = (alert for alert in read_alerts() if alert.name == scene.alert)
    rules = the("PrometheusRule", rendered(values, **ON))["spec"]
    assert promtool_rule_tests(tmp_path, rules, [scene.as_promtool_test(alert)]) == ""


def test_every_alert_is_tried() -> None:
    assert [scene.alert for scene in SCENES] == [alert.name for alert in read_alerts()]


def test_alerts_are_installed_only_on_request(values: Path) -> None:
    """The Prometheus Operator's kinds may not exist."""
    assert not of_kind("PrometheusRule", rendered(values))
    rule = the("PrometheusRule", rendered(values, **ON, labels={"release": "prometheus"}))
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert list(rules_of([rule])) == [alert.name for alert in read_alerts()]


def test_the_rendered_alerts_are_those_of_the_file(values: Path) -> None:
    """Each has a severity, a summary, a description, and its runbook."""
    rules = rules_of(rendered(values, **ON))
    for alert in read_alerts():
        assert rules[alert.name] == {
            "alert": alert.name,
            "expr": alert.expression,
            "for": alert.duration,
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook_url": f"{RUNBOOKS}/{alert.name}.md",
            },
        }


def test_values_change_single_alerts(values: Path) -> None:
    """Values set the duration, the severity, the runbooks, or disable an alert; the others stay."""
    plain = rules_of(rendered(values, **ON))
    changes = {
        "RayfleetClusterNotReady": {"for": "1h", "severity": "info"},
        "RayfleetPodsPending": {"enabled": False},
    }
    changed = rules_of(rendered(values, **ON, alerts=changes, runbooks="https://wiki.example/ray/"))
    assert set(plain) - set(changed) == {"RayfleetPodsPending"}
    mine = changed["RayfleetClusterNotReady"]
    assert (mine["for"], mine["labels"]) == ("1h", {"severity": "info"})
    assert mine["annotations"]["runbook_url"] == "https://wiki.example/ray/RayfleetClusterNotReady.md"
    assert changed["RayfleetNoLeader"]["for"] == plain["RayfleetNoLeader"]["for"]


def test_a_value_says_how_many_pods_may_end(values: Path) -> None:
    """A fleet on spot nodes loses more than five in half an hour."""
    alert = "RayfleetPodsCrashLooping"
    plain = rules_of(rendered(values, **ON))[alert]
    changed = rules_of(rendered(values, **ON, alerts={alert: {"threshold": 2_000_000}}))[alert]
    assert plain["expr"].endswith(" > 5.5")
    assert changed == {**plain, "expr": plain["expr"].replace(" > 5.5", " > 2000000.5")}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("alerts.RayfleetClusterNotRedy.for=1h", "RayfleetClusterNotRedy"),
        ("alerts.RayfleetClusterNotReady.for=soon", "for"),
        ("alerts.RayfleetClusterNotReady.severity=loud", "severity"),
        ("alerts.RayfleetPodsCrashLooping.threshold=0", "threshold"),
        ("alerts.RayfleetPodsPending.threshold=9", "threshold"),
        ("runbooks=wiki", "runbooks"),
    ],
)
def test_a_misspelt_alert_is_refused_by_name(value: str, named: str) -> None:
    done = helm("template", RELEASE, str(CHART), f"--set=metrics.prometheusRule.{value}")
    assert done.returncode != 0
    assert named in done.stderr
