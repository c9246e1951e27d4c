"""Counts of outgoing calls and how long they take, for metrics and for tests that count writes."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

MUTATING = frozenset({"create", "update", "patch", "json-patch", "delete"})

HEAD_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds by which the durations of calls to heads are counted."""
POLLED: Final = ("GetClusterResourceState", "GetAllNodeInfo", "ReportAutoscalingState", "DrainNode")
"""The methods of heads that the operator calls."""
OF_DASHBOARDS: Final = ("GetJob", "ListJobs", "SubmitJob", "StopJob")
"""What the operator asks of the dashboards of heads."""


class Durations:
    """How many things took how long, by upper bounds; what takes longer than the last one counts, too."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def add(self, seconds: float) -> None:
        """Count one; a clock that was set back makes it 0."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    @property
    def counts(self) -> list[int]:
        """For each bound, and for none: how many took no longer than that."""
        return list(accumulate(self._counts))


class ApiCalls:
    """Counts of calls by verb (one of the client's, or watch) and HTTP code (0: no answer)."""

    def __init__(self) -> None:
        self.by_verb_and_code: Counter[tuple[str, int]] = Counter()

    def count(self, verb: str, code: int) -> None:
        self.by_verb_and_code[verb, code] += 1

    @property
    def mutating(self) -> int:
        """Calls meant to write, answered or not."""
        return sum(n for (verb, _), n in self.by_verb_and_code.items() if verb in MUTATING)


class HeadCalls:
    """Counts of calls to Ray heads by method and outcome (ok, or what went wrong), and how long they take."""

    def __init__(self, methods: Iterable[str]) -> None:
        """`methods` are those whose durations are counted."""
        self.by_method_and_outcome: Counter[tuple[str, str]] = Counter()
        self.durations = {method: Durations(HEAD_SECONDS) for method in methods}

    def took(self, method: str, seconds: float) -> None:
        """Record how long a head took to answer, or not to."""
        if method in self.durations:
            self.durations[method].add(seconds)

    def count(self, method: str, outcome: str) -> None:
        self.by_method_and_outcome[method, outcome] += 1


class GcsCalls(HeadCalls):
    """Calls to the GCS of heads; what goes wrong is a `GcsTrouble`."""

    def __init__(self) -> None:
        super().__init__(POLLED)


class DashboardCalls(HeadCalls):
    """Calls to the dashboards of heads; what goes wrong is a `DashboardTrouble`."""

    def __init__(self) -> None:
        super().__init__(OF_DASHBOARDS)
