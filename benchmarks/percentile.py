"""Percentiles of a few values by nearest rank, so that every figure was actually measured."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("there is no percentile of no values")
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)
