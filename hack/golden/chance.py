"""Chances: the same for the same seed, always, and on every version of Python."""

from collections.abc import Mapping
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance(Random):
    """Draws."""

    def happens(self, share: float) -> bool:
        """Whether something does that happens so often, from 0 to 1."""
        return self.random() < share

    def one_of(self, weights: Mapping[T, int]) -> T:
        """One of these, by how likely each is beside the others."""
        return self.choices(list(weights), list(weights.values()))[0]
