"""Demand as vectors over the resources that anything asks for, with the labels that it accepts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct, field

from rayfleet.api.accelerators import is_accelerator
from rayfleet.autoscaling import effort as limits
from rayfleet.autoscaling.effort import Effort
from rayfleet.ray.state import Demand, LabelSelector, RayState, Resources, Shape

SCALE: Final = 10_000
"""Ray counts resources in whole ten-thousandths; so do we, so that sums have no rounding errors."""
_IMPLICIT: Final = "node:__internal_implicit_resource_"
"""Every node has one of each resource with this prefix, without listing it."""
_IMPOSSIBLE: Final = 1 << 80
GPU: Final = "GPU"

Vector = tuple[int, ...]
Kind = tuple[str | None, ...]
"""A node's values of the labels that anything selects by; None for a value that no selector names."""


class Need(NamedTuple):
    """Equal requests, ready to be placed."""

    entry: int
    """Its index among all entries of demand of one decision."""
    shape: Shape
    copies: int
    amounts: tuple[tuple[int, int], ...]
    """(dimension, amount) for each requested resource."""
    wants_accelerator: bool
    gang: int = -1
    """If above -1, at most one request of all needs with this number goes to one node."""


class Space(Struct):
    """The dimensions of one decision: resource names, and labels with the values that matter."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    values: tuple[frozenset[str], ...]
    """For each key, the values that a selector names."""
    gpu: int
    """The dimension of GPUs."""
    _dimensions: dict[str, int] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)
    _ranks: dict[tuple[LabelSelector, ...], dict[Kind, int]] = field(default_factory=dict)
    _implicit: tuple[float, ...] = ()
    width: int = 1
    """The most resources that one request names."""
    effort: Effort = field(default_factory=lambda: Effort(limits.MOST_STEPS))

    def __post_init__(self) -> None:
        self._dimensions = {name: at for at, name in enumerate(self.names)}
        self._places = {key: at for at, key in enumerate(self.keys)}

    def vector(self, resources: Resources) -> Vector:
        """Amounts of a node in whole units; 0 for what is missing or not a number."""
        amounts = dict(resources)
        return tuple(
            [
                _units(amounts.get(name, missing), 0)
                for name, missing in zip(self.names, self._implicit, strict=True)
            ]
        )

    def kind(self, labels: Iterable[tuple[str, str]]) -> Kind:
        if not self.keys:
            return ()
        have = dict(labels)
        return tuple(
            [
                value if (value := have.get(key)) in named else None
                for key, named in zip(self.keys, self.values, strict=True)
            ]
        )

    def rank(self, selectors: tuple[LabelSelector, ...], kind: Kind) -> int:
        """The first alternative that a node of this kind satisfies; -1 for none, 0 without selectors."""
        return self.ranks(selectors, (kind,))[kind] if selectors else 0

    def ranks(self, selectors: tuple[LabelSelector, ...], kinds: Iterable[Kind]) -> Mapping[Kind, int]:
        """The same for many kinds of node at once, as looking up many selectors takes long."""
        self.effort.spend(sum(3 + len(selector) for selector in selectors) // 2)
        known = self._ranks.setdefault(selectors, {})
        for kind in kinds:
            if kind not in known:
                rank = next((i for i, s in enumerate(selectors) if self._satisfies(s, kind)), -1)
                self.effort.spend(4 * (rank + 1 if rank >= 0 else len(selectors)) + 4)
                known[kind] = rank
        return known

    def _satisfies(self, selector: LabelSelector, kind: Kind) -> bool:
        for key, values, negated in selector:
            value = kind[self._places[key]]
            if (value in values) == negated:
                return False
        return True

    def need(self, index: int, shape: Shape, count: int, gang: int = -1) -> Need:
        amounts = tuple(
            (self._dimensions[name], units)
            for name, amount in shape.resources
            if (units := _units(amount, _IMPOSSIBLE)) > 0
        )
        wants_accelerator = any(is_accelerator(name) for name, _ in shape.resources)
        return Need(index, shape, count, amounts, wants_accelerator, gang)


def _units(amount: float, otherwise: int) -> int:
    try:
        return round(amount * SCALE)
    except (ValueError, OverflowError):
        return otherwise


def space_of(shapes: Iterable[Shape]) -> Space:
    """The space in which all these shapes, and any node, can be described."""
    names, named, width = {GPU}, dict[str, set[str]](), 1
    for shape in shapes:
        width = max(width, len(shape.resources))
        names.update(name for name, _ in shape.resources)
        for selector in shape.selectors:
            for key, values, _ in selector:
                named.setdefault(key, set()).update(values)
    ordered, keys = tuple(sorted(names)), tuple(sorted(named))
    return Space(
        names=ordered,
        keys=keys,
        values=tuple(frozenset(named[key]) for key in keys),
        gpu=ordered.index(GPU),
        width=width,
        _implicit=tuple(1.0 if name.startswith(_IMPLICIT) else 0.0 for name in ordered),
    )


def shapes_of(ray: RayState, more: Iterable[Demand] = ()) -> list[Shape]:
    """The shapes of all demand, and of `more` that may stand for some of it."""
    shapes = [demand.shape for demand in (*ray.demands, *more)]
    shapes += [bundle.shape for gang in ray.gangs for bundle in gang.bundles]
    shapes += [demand.shape for constraint in ray.constraints for demand in constraint]
    return shapes


def merged(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    """The demands with equal shapes merged, without those of count 0, the hardest to place first."""
    counts = dict[Shape, int]()
    for demand in demands:
        counts[demand.shape] = counts.get(demand.shape, 0) + demand.count
    ordered = sorted((shape for shape, count in counts.items() if count > 0), key=hardness, reverse=True)
    return tuple(Demand(shape, counts[shape]) for shape in ordered)


def hardness(shape: Shape) -> tuple[object, ...]:
    """Larger for what should be placed earlier: labels, then GPUs, more resources, larger amounts."""
    return (
        len(shape.selectors[0]) if shape.selectors else 0,
        len(shape.resources),
        sum(amount for _, amount in shape.resources),
        shape,
    )


def needs_of(space: Space, demands: Sequence[Demand], first: int, gang: int = -1) -> list[Need]:
    return [space.need(first + i, demand.shape, demand.count, gang) for i, demand in enumerate(demands)]
