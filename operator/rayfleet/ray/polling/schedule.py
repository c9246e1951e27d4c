"""How often a head is polled. No I/O here."""

from math import ceil

ACTIVE_SECONDS = 1.0
"""Between polls while something is going on."""
LONGEST_SECONDS = 5.0
QUIET_RATE = 400.0
"""Polls per second over all quiet clusters."""
CHANGED_SECONDS = 600.0
"""How long a cluster counts as active after its answer changed."""
SHORTEST_SECONDS = 0.1
"""Between polls of one head, however often it is poked."""
READING_SHARE = 20.0
"""The time between polls is at least this many times the time to read the answer."""
DECIDING_SHARE = 10.0
"""And at least this many times the time to decide about it."""
STROKE_SECONDS = 0.1
STALE_SECONDS = 15.0
"""No decision uses an older answer: three times the longest period between polls."""
_JITTER = 0.1


def period(*, active: bool, quiet: int, reading: float = 0.0, deciding: float = 0.0) -> float:
    """Seconds between polls of one head, while `quiet` heads are quiet.

    `reading`, `deciding`: the seconds that it took to read its last answer, and to decide about it.
    """
    share = 0.0 if active else quiet / QUIET_RATE
    return max(
        min(max(share, ACTIVE_SECONDS), LONGEST_SECONDS), reading * READING_SHARE, deciding * DECIDING_SHARE
    )


def jittered(seconds: float, chance: float) -> float:
    """`seconds`, a tenth more or less by `chance` (0 up to 1), so that heads are not polled in step."""
    return seconds * (1 - _JITTER + 2 * _JITTER * chance)


def first_wait(watched: int, chance: float) -> float:
    """Seconds until the first poll: soon, but not a thousand at once."""
    return min(watched / QUIET_RATE, LONGEST_SECONDS) * chance


def stroke(due: float) -> float:
    """The time, at or after `due`, to poll quiet heads: several at once cost half as much each."""
    return ceil(due / STROKE_SECONDS) * STROKE_SECONDS
