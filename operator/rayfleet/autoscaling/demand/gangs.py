"""Placement groups as needs: which of their bundles must be together, and which apart."""

from collections.abc import Iterable, Sequence
from itertools import product

from rayfleet.autoscaling.demand.needs import merged
from rayfleet.ray.state import Demand, Gang, LabelSelector, Shape, Strategy

_MOST_ALTERNATIVES = 64
_MOST_CONDITIONS = 20_000
"""In all alternatives together."""


def in_order(gangs: Iterable[Gang]) -> list[Gang]:
    """The hardest to place first, as in Ray: strict ones, then large ones; equals by their ids."""
    return sorted(gangs, key=_ease)


def _ease(gang: Gang) -> tuple[int, int, str]:
    bundles = sum(bundle.count for bundle in gang.bundles)
    strict = gang.strategy in {Strategy.STRICT_PACK, Strategy.STRICT_SPREAD}
    strict |= gang.locality is not None
    return (-bundles if strict else 0, -bundles, gang.name)


def as_demands(gang: Gang, way: Sequence[Demand]) -> tuple[Demand, ...]:
    """The bundles to place. PACK and SPREAD are preferences: they never cost a node."""
    bundles = merged(way)
    if gang.strategy is Strategy.STRICT_PACK and bundles:
        return (Demand(_as_one(bundles), 1),)
    return bundles


def _as_one(bundles: tuple[Demand, ...]) -> Shape:
    """One request as large as all bundles, for a node whose labels suit each of them."""
    amounts: dict[str, float] = {}
    for bundle in bundles:
        for name, amount in bundle.shape.resources:
            amounts[name] = round(amounts.get(name, 0) + amount * bundle.count, 4)
    choices = [bundle.shape.selectors for bundle in bundles if bundle.shape.selectors]
    alternatives: list[LabelSelector] = []
    conditions = sum(len(selector) for chosen in dict.fromkeys(choices) for selector in chosen)
    most = max(1, min(_MOST_ALTERNATIVES, _MOST_CONDITIONS // max(conditions, 1)))
    for chosen in product(*dict.fromkeys(choices)):
        alternatives.append(tuple(sorted({condition for selector in chosen for condition in selector})))
        if len(alternatives) == most:
            break
    return Shape(tuple(sorted(amounts.items())), tuple(alternatives) if choices else ())
