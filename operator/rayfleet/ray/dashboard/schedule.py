"""How often a dashboard is asked. No I/O here."""

from typing import Final

from rayfleet.errors import DashboardTrouble

ACTIVE_SECONDS: Final = 1.0
"""Between polls around starts and ends."""
LONG_RUN_SECONDS: Final = 10.0
"""Between polls of a job that has run for long."""
LONGEST_SECONDS: Final = 15.0
"""Between polls, however many heads are asked."""
RUN_SHARE: Final = 20.0
"""The time since the last change is this many times the time between polls: an end is seen 5 % late."""
POLL_RATE: Final = 200.0
"""Polls per second over all heads whose jobs just run on."""
SHORTEST_SECONDS: Final = 0.1
"""Between polls of one head, however often it is poked."""
SHORTEST_SILENT_SECONDS: Final = 5.0
"""The same for a head that keeps requests waiting, or whose answers are of no use."""
PATIENT_SECONDS: Final = 60.0
"""How long a head that is not there, or not ready, is asked each second: it may be starting."""
SILENT_SECONDS: Final = 30.0
"""Between polls of a head that goes on like that, at most."""

CHEAP: Final = frozenset({DashboardTrouble.UNREACHABLE, DashboardTrouble.SERVER})
"""Failures that take no time, and that a head which starts goes through."""


def period(*, active: bool, unchanged: float, polled: int) -> float:
    """Seconds between polls of one head, of `polled`, whose jobs have not changed for `unchanged` seconds."""
    if active:
        return ACTIVE_SECONDS
    longer = min(max(unchanged / RUN_SHARE, ACTIVE_SECONDS), LONG_RUN_SECONDS)
    return min(max(longer, polled / POLL_RATE), LONGEST_SECONDS)


def pause(usual: float, trouble: DashboardTrouble | None, failures: int, failing: float) -> float:
    """Seconds until the next poll after `failures` in a row, for `failing` seconds, the last with `trouble`.

    `usual` is the period without failures.
    """
    if trouble is None:
        return usual
    if trouble in CHEAP:
        return max(usual, ACTIVE_SECONDS if failing < PATIENT_SECONDS else LONG_RUN_SECONDS)
    return max(usual, min(2.0 ** min(failures, 10), SILENT_SECONDS))
