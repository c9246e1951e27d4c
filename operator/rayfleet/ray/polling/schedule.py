"""How often a head is asked. No I/O here."""

from math import ceil

ACTIVE_SECONDS = 1.0
"""Between questions while something goes on."""
LONGEST_SECONDS = 5.0
QUIET_RATE = 400.0
"""Questions a second that all quiet clusters together may cost."""
CHANGED_SECONDS = 600.0
"""How long a cluster counts as active after its answer changed."""
SHORTEST_SECONDS = 0.1
"""Between questions to one head, however often it is poked."""
READING_SHARE = 20.0
"""Between questions pass this many times the seconds that the answer takes to read."""
DECIDING_SHARE = 10.0
"""And this many times the seconds that a decision about it takes."""
STROKE_SECONDS = 0.1
STALE_SECONDS = 15.0
"""An answer older than this is not decided by: three times the longest period between questions."""
_JITTER = 0.1


def period(*, active: bool, quiet: int, reading: float = 0.0, deciding: float = 0.0) -> float:
    """Seconds between questions to one head, while `quiet` heads are quiet.

    `reading`, `deciding`: the seconds that its last answer took to read, and to decide about.
    """
    share = 0.0 if active else quiet / QUIET_RATE
    return max(
        min(max(share, ACTIVE_SECONDS), LONGEST_SECONDS), reading * READING_SHARE, deciding * DECIDING_SHARE
    )


def jittered(seconds: float, chance: float) -> float:
    """`seconds`, a tenth more or less by `chance` (0 up to 1), so that heads are not asked in step."""
    return seconds * (1 - _JITTER + 2 * _JITTER * chance)


def first_wait(watched: int, chance: float) -> float:
    """Seconds until the first question: soon, but not a thousand at once."""
    return min(watched / QUIET_RATE, LONGEST_SECONDS) * chance


def stroke(due: float) -> float:
    """The time, at or after `due`, at which quiet heads are asked: several at once cost half as much each."""
    return ceil(due / STROKE_SECONDS) * STROKE_SECONDS
