"""How much slower this machine currently is than the one on which the test budgets were set."""

import statistics
import time

REFERENCE_SECONDS = 0.025
"""Time of the fixed loop on the reference machine (two cores) while nothing else runs."""
_ROUNDS = 7
_NUMBERS = 260_000


def slowdown() -> float:
    """How many times longer than on the reference machine the same work takes now; at least 1.

    Takes about 0.2 s. Other load on the machine counts, as it does for tests.
    """
    return max(1.0, statistics.median(_timed() for _ in range(_ROUNDS)) / REFERENCE_SECONDS)


def _timed() -> float:
    began = time.perf_counter()
    _fixed_loop()
    return time.perf_counter() - began


def _fixed_loop() -> int:
    """Pure interpreter work: arithmetic, a dictionary, calls."""
    counts: dict[int, int] = {}
    for number in range(_NUMBERS):
        place = number * 7919 % 1009
        counts[place] = counts.get(place, 0) + 1
    return len(counts)
