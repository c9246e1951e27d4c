"""Random choices that are the same for the same seed on every version of Python."""

from collections.abc import Mapping
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance(Random):
    """A random source."""

    def happens(self, share: float) -> bool:
        """True with the probability `share`, from 0 to 1."""
        return self.random() < share

    def one_of(self, weights: Mapping[T, int]) -> T:
        """One of the keys, by its relative weight."""
        return self.choices(list(weights), list(weights.values()))[0]
