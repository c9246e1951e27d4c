"""The documentation page that lists the alerts."""

from collections.abc import Sequence
from typing import Final

from alerts.rules import Alert, Group

_HEAD: Final = """\
<!-- Generated from charts/rayfleet/alerts.yaml by `make alerts`. Do not edit. -->
# Alerts

What `metrics.prometheusRule.enabled` installs ([monitoring](../monitoring.md)). `critical` wakes somebody,
`warning` is for the same day. `metrics.prometheusRule.alerts` changes how long each must be true before it
fires, its severity, or switches it off. The name leads to its runbook: what it means, what to look at, what
to do.
"""
_TITLES: Final = {
    "rayfleet.operator": "The operator",
    "rayfleet.clusters": "Clusters",
    "rayfleet.jobs": "Jobs",
}


def reference(groups: Sequence[Group]) -> str:
    """The page as Markdown."""
    return _HEAD + "".join(map(_section, groups))


def _section(group: Group) -> str:
    rows = [("alert", "severity", "fires after", "meaning"), ("---",) * 4, *map(_row, group.alerts)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return f"\n## {_TITLES[group.name]}\n\n{table}\n"


def _row(alert: Alert) -> tuple[str, ...]:
    return f"[{alert.name}](../runbooks/{alert.name}.md)", alert.severity, alert.duration, alert.summary
