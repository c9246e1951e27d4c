"""The documentation page that lists every metric."""

from typing import Final

from rayfleet.telemetry.metrics.definition import Definition, Section, Type
from rayfleet.telemetry.metrics.definitions import SECTIONS

_HEAD: Final = """\
<!-- Generated from the definitions of the metrics by `make metrics`. Do not edit. -->
# Metrics

What the operator shows at `/metrics` (`--metrics-port`, 8080), in Prometheus' text format or as OpenMetrics,
whichever the scraper asks for. What to look at, and queries: [monitoring](../monitoring.md). A histogram has
no label of a cluster, and nothing has one of a pod.
"""
_UNITS: Final = {"_seconds": "seconds", "_bytes": "bytes"}


def reference() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(map(_section, SECTIONS))


def _section(section: Section) -> str:
    rows = [("metric", "type", "labels", "unit", "meaning"), ("---",) * 5, *map(_row, section.definitions)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return f"\n## {section.title}\n\n{section.introduction}\n\n{table}\n"


def _row(of: Definition) -> tuple[str, ...]:
    return f"`{of.name}`", of.type, ", ".join(f"`{label}`" for label in of.labels), _unit(of), of.help


def _unit(of: Definition) -> str:
    name = of.name.removesuffix("_total") if of.type is Type.COUNTER else of.name
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
