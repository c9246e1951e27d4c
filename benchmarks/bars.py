"""What the figures must be, as values, and the judgement. Pure.

A quick run judges what the speed of the machine has no part in: counts, memory, and ratios of two things that
were measured in the same run. It shows times, and leaves their judgement to the full run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

EACH_SLACK = 4.0
RATIO_SLACK = 0.5


class Kind(Enum):
    """What a bar limits, and how a quick run treats it."""

    RATIO = "ratio"
    """A lower limit; half of it in a quick run."""
    TIME = "time"
    """An upper limit of a latency or CPU time; a quick run shows it without judging."""
    EACH = "each"
    """An upper limit of memory per item; four times that in a quick run, whose few items pay for warm-up."""
    AMOUNT = "amount"
    """An upper limit of a count or of total memory; the same in a quick run."""


@dataclass(frozen=True)
class Bar:
    """A lower or upper limit of one figure of one scenario."""

    scenario: str
    figure: str
    value: float
    kind: Kind

    def is_judged(self, *, quick: bool) -> bool:
        """Whether such a run judges the figure instead of only showing it."""
        return not (quick and self.kind is Kind.TIME)

    def limit(self, *, quick: bool) -> float:
        """The value to judge by."""
        slack = {Kind.RATIO: RATIO_SLACK, Kind.EACH: EACH_SLACK}.get(self.kind, 1.0)
        return self.value * slack if quick else self.value

    def holds(self, measured: float, *, quick: bool) -> bool:
        """Whether the figure is within the bar; one that is not judged always is."""
        limit = self.limit(quick=quick)
        within = measured >= limit if self.kind is Kind.RATIO else measured <= limit
        return within or not self.is_judged(quick=quick)

    def words(self, *, quick: bool) -> str:
        """The bar as it is shown."""
        most = "at least" if self.kind is Kind.RATIO else "at most"
        return f"{most} {self.limit(quick=quick):g}"


BARS = (
    Bar("create", "ratio_to_raw", 0.5, Kind.RATIO),
    Bar("create", "cpu_ms_per_pod", 2.2, Kind.TIME),
    Bar("create", "peak_rss_mib", 100, Kind.AMOUNT),
    Bar("create", "mutating_calls_per_cluster", 9, Kind.AMOUNT),
    Bar("grow", "ratio_to_raw", 0.7, Kind.RATIO),
    Bar("grow", "cpu_ms_per_pod", 1.2, Kind.TIME),
    Bar("big", "ratio_to_raw", 0.75, Kind.RATIO),
    Bar("big", "neighbour_pods_max_s", 0.5, Kind.TIME),
    Bar("big", "neighbour_replacement_max_s", 0.5, Kind.TIME),
    Bar("replace", "median_ms", 25, Kind.TIME),
    Bar("replace-among-many", "median_ms", 25, Kind.TIME),
    Bar("hostile", "longest_wait_ms", 50, Kind.TIME),
    Bar("hostile", "cpu_per_answer_s", 2, Kind.TIME),
    Bar("hostile", "more_mib", 60, Kind.AMOUNT),
    Bar("memory", "kib_per_cluster", 60, Kind.EACH),
    Bar("restart", "settled_s", 6, Kind.TIME),
    Bar("restart", "writes", 0, Kind.AMOUNT),
    Bar("restart", "peak_to_steady", 1.5, Kind.AMOUNT),
    Bar("quiet", "writes", 0, Kind.AMOUNT),
    Bar("quiet", "core_percent", 2, Kind.TIME),
    Bar("queue", "writes", 0, Kind.AMOUNT),
    Bar("queue", "core_percent", 20, Kind.TIME),
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

    @property
    def word(self) -> str:
        """The verdict as it is shown."""
        if not self.bar.is_judged(quick=self.quick):
            return "shown, not judged"
        return "holds" if self.holds else "**missed**"


def judge(scenarios: Mapping[str, Mapping[str, Any]], *, quick: bool) -> list[Verdict]:
    """Every bar of the scenarios that ran. Raises KeyError for a figure that a scenario did not report."""
    return [
        Verdict(bar, scenarios[bar.scenario][bar.figure], quick) for bar in BARS if bar.scenario in scenarios
    ]
