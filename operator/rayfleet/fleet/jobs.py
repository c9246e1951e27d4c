"""How the attempts of all jobs end, and how long they wait."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from itertools import product
from typing import Final

from rayfleet.kube.client.calls import Durations

SUBMIT: Final = "submit"
RECORD: Final = "record"
TOTAL: Final = "total"
PHASES: Final = (SUBMIT, RECORD, TOTAL)
JOB_SECONDS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0)
"""Upper bounds by which these durations are counted."""
NOBODY: Final = ("None", "None")
"""Category and cause of an attempt that has not failed."""


class Result(StrEnum):
    """What became of an attempt."""

    SUCCEEDED = "succeeded"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    RETRIED = "retried"
    """It failed, and another one follows."""
    FAILED = "failed"
    """It failed, and none follows."""


_GOOD: Final = (Result.SUCCEEDED, Result.STOPPED, Result.SUSPENDED)
_BAD: Final = (Result.RETRIED, Result.FAILED)


class FleetJobs:
    """Counts ends and times. Every count is there from the start, at 0."""

    def __init__(self, verdicts: Iterable[tuple[str, str]] = ()) -> None:
        """`verdicts` are the known categories with their causes."""
        places = (*product(_GOOD, (NOBODY,)), *product(_BAD, verdicts))
        self.attempts: Counter[tuple[str, str, str]] = Counter(
            {(result, category, cause): 0 for result, (category, cause) in places}
        )
        """Attempts that have ended, by result, category and cause."""
        self.durations = {phase: Durations(JOB_SECONDS) for phase in PHASES}
