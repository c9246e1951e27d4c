"""The alerts, as charts/rayfleet/alerts.yaml defines them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from generated_page import REPOSITORY

FILE: Final = REPOSITORY / "charts" / "rayfleet" / "alerts.yaml"


@dataclass(frozen=True)
class Alert:
    """One alert, with the duration and severity that it has unless a value of the chart changes them."""

    name: str
    expression: str
    duration: str
    """How long the expression must have been true, as Prometheus writes durations."""
    severity: str
    summary: str
    description: str


@dataclass(frozen=True)
class Group:
    """Alerts about the same thing."""

    name: str
    alerts: Sequence[Alert]


def read_groups(file: Path = FILE) -> Sequence[Group]:
    """All alerts, by group."""
    groups = yaml.safe_load(file.read_text())["groups"]
    return [Group(group["name"], [_alert(rule) for rule in group["rules"]]) for group in groups]


def read_alerts(file: Path = FILE) -> Sequence[Alert]:
    """All alerts, in order."""
    return [alert for group in read_groups(file) for alert in group.alerts]


def _alert(rule: dict[str, object]) -> Alert:
    labels, annotations = rule["labels"], rule["annotations"]
    assert isinstance(labels, dict), rule  # noqa: S101 - Prometheus requires it
    assert isinstance(annotations, dict), rule  # noqa: S101 - ours always have them
    return Alert(
        name=str(rule["alert"]),
        expression=str(rule["expr"]),
        duration=str(rule["for"]),
        severity=labels["severity"],
        summary=annotations["summary"],
        description=annotations["description"],
    )
