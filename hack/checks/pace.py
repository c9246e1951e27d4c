"""How much slower this machine is at the moment than the one that the budgets of the tests were set on."""

import statistics
import time

REFERENCE_SECONDS = 0.025
"""What the fixed loop takes on the reference machine, one of two cores, while nothing else runs."""
_ROUNDS = 7
_NUMBERS = 260_000


def slowdown() -> float:
    """How many times as long as on the reference machine the same work takes here and now; at least 1.

    It takes about 0.2 s. What else runs on the machine counts, as it does for tests.
    """
    return max(1.0, statistics.median(_timed() for _ in range(_ROUNDS)) / REFERENCE_SECONDS)


def _timed() -> float:
    began = time.perf_counter()
    _fixed_loop()
    return time.perf_counter() - began


def _fixed_loop() -> int:
    """Work of the interpreter alone: arithmetic, a dictionary, calls."""
    counts: dict[int, int] = {}
    for number in range(_NUMBERS):
        place = number * 7919 % 1009
        counts[place] = counts.get(place, 0) + 1
    return len(counts)
