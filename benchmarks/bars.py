"""What the figures must be, as values, and the judgement. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

SLACK = 4.0
RATIO_SLACK = 0.5


class Kind(Enum):
    """How a bar is meant, and how it gives way on a machine of which nothing is known."""

    RATIO = "ratio"
    """At least so much; half of it there."""
    LATENCY = "latency"
    """At most so long; four times that there."""
    COST = "cost"
    """At most so much CPU or memory for each; four times that there: a small run pays for warming up, too."""
    AMOUNT = "amount"
    """At most so much; the same there."""


@dataclass(frozen=True)
class Bar:
    """One figure of one scenario must be at least, or at most, this."""

    scenario: str
    figure: str
    value: float
    kind: Kind

    def limit(self, *, quick: bool) -> float:
        """The value to judge by."""
        slack = {Kind.RATIO: RATIO_SLACK, Kind.LATENCY: SLACK, Kind.COST: SLACK}.get(self.kind, 1.0)
        return self.value * slack if quick else self.value

    def holds(self, measured: float, *, quick: bool) -> bool:
        limit = self.limit(quick=quick)
        return measured >= limit if self.kind is Kind.RATIO else measured <= limit

    def words(self, *, quick: bool) -> str:
        """The bar as it is shown."""
        most = "at least" if self.kind is Kind.RATIO else "at most"
        return f"{most} {self.limit(quick=quick):g}"


BARS = (
    Bar("create", "ratio_to_raw", 0.5, Kind.RATIO),
    Bar("create", "cpu_ms_per_pod", 2.2, Kind.COST),
    Bar("create", "peak_rss_mib", 100, Kind.AMOUNT),
    Bar("create", "mutating_calls_per_cluster", 9, Kind.AMOUNT),
    Bar("grow", "ratio_to_raw", 0.7, Kind.RATIO),
    Bar("grow", "cpu_ms_per_pod", 1.2, Kind.COST),
    Bar("big", "ratio_to_raw", 0.75, Kind.RATIO),
    Bar("big", "neighbour_pods_max_s", 0.5, Kind.LATENCY),
    Bar("big", "neighbour_replacement_max_s", 0.5, Kind.LATENCY),
    Bar("replace", "median_ms", 25, Kind.LATENCY),
    Bar("replace-among-many", "median_ms", 25, Kind.LATENCY),
    Bar("memory", "kib_per_cluster", 60, Kind.COST),
    Bar("restart", "settled_s", 6, Kind.LATENCY),
    Bar("restart", "writes", 0, Kind.AMOUNT),
    Bar("restart", "peak_to_steady", 1.5, Kind.AMOUNT),
    Bar("quiet", "writes", 0, Kind.AMOUNT),
    Bar("quiet", "core_percent", 2, Kind.AMOUNT),
    Bar("queue", "writes", 0, Kind.AMOUNT),
    Bar("queue", "core_percent", 20, Kind.AMOUNT),
    Bar("queue", "rss_mib", 143, Kind.AMOUNT),  # 150 MB
)


@dataclass(frozen=True)
class Verdict:
    """A bar and what was measured."""

    bar: Bar
    measured: float
    quick: bool

    @property
    def holds(self) -> bool:
        return self.bar.holds(self.measured, quick=self.quick)


def judge(scenarios: Mapping[str, Mapping[str, Any]], *, quick: bool) -> list[Verdict]:
    """Every bar of the scenarios that ran. Raises KeyError for a figure that a scenario did not give."""
    return [
        Verdict(bar, scenarios[bar.scenario][bar.figure], quick) for bar in BARS if bar.scenario in scenarios
    ]
