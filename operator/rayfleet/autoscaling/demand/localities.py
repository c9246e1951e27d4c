"""How a placement group may be placed: its choices, each within one value of a label if it says so."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from rayfleet.autoscaling.inputs import WorkerGroup
from rayfleet.ray.state import (
    Choice,
    Demand,
    Gang,
    LabelConstraint,
    LabelSelector,
    Locality,
    NodeStatus,
    RayNode,
    RayState,
    Shape,
)

MOST_VALUES: Final = 16
"""Values tried of one label: those with the most idle nodes, then those with the most nodes."""
MOST_WAYS: Final = 256
"""Ways tried for all placement groups of one decision: with many of them, each gets fewer values."""

Way: TypeAlias = tuple[Demand, ...]
"""Bundles, with everything that their nodes must satisfy."""
Ways: TypeAlias = tuple[tuple[Way, ...], ...]
"""For each choice, best first, the ways to place it: one, or one for each value of a label."""


_PLAIN: Final = (None, ())
"""The other fields of a gang that asks for nothing but its bundles."""
NO_VALUES: Final = "no running node and no group has this label, or they have too few values of it"


def within_words(locality: Locality) -> str:
    """Where all bundles must be."""
    if not locality.label:
        return ""
    how = "different values" if locality.apart else "one value"
    return f" within {how} of {locality.label}"


def placeable(ray: RayState, groups: Sequence[WorkerGroup]) -> Sequence[WorkerGroup]:
    """The groups, without the labels used by localities that their nodes only happen to share so far."""
    labels = {
        c.locality.label for gang in ray.gangs if gang[3:] != _PLAIN for c in _choices(gang) if c.locality
    }
    return [
        replace(
            group,
            labels=tuple(label for label in group.labels if label[0] not in labels & group.learned_labels),
        )
        if labels & group.learned_labels
        else group
        for group in groups
    ]


def ways_of(ray: RayState, groups: Sequence[WorkerGroup]) -> dict[Gang, Ways]:
    """How each placement group that asks for more than its bundles may be placed.

    The values of a label are those of running nodes and of groups; no others are known.
    """
    asking = {gang: _choices(gang) for gang in ray.gangs if gang[3:] != _PLAIN}
    labels = {choice.locality.label for choices in asking.values() for choice in choices if choice.locality}
    most = max(1, min(MOST_VALUES, MOST_WAYS // max(1, len(asking))))
    values = {label: _values(label, ray.nodes, groups)[:most] for label in labels}
    return {gang: tuple(_within(choice, values) for choice in choices) for gang, choices in asking.items()}


def _choices(gang: Gang) -> tuple[Choice, ...]:
    return (Choice(gang.bundles, gang.locality), *gang.others)


def _within(choice: Choice, values: Mapping[str, Sequence[str]]) -> tuple[Way, ...]:
    if choice.locality is None:
        return (choice.bundles,)
    label, apart, among = choice.locality
    if not label:
        return (tuple(_at(among, bundle.shape, bundle.count) for bundle in choice.bundles),)
    if apart:
        count = sum(bundle.count for bundle in choice.bundles)
        if count > len(values[label]):
            return ()
        each = (bundle.shape for bundle in choice.bundles for _ in range(bundle.count))
        return (
            tuple(_at(_on(label, v, among), shape) for v, shape in zip(values[label], each, strict=False)),
        )
    return tuple(
        tuple(_at(_on(label, value, among), bundle.shape, bundle.count) for bundle in choice.bundles)
        for value in values[label]
    )


def _on(label: str, value: str, among: LabelSelector) -> LabelSelector:
    return (LabelConstraint(label, (value,)), *among)


def _at(by: LabelSelector, shape: Shape, count: int = 1) -> Demand:
    """The shape, on nodes that also satisfy `by`."""
    selectors = tuple(tuple(sorted({*selector, *by})) for selector in shape.selectors or ((),))
    return Demand(Shape(shape.resources, selectors), count)


def _values(label: str, nodes: Iterable[RayNode], groups: Iterable[WorkerGroup]) -> list[str]:
    there, idle = Counter[str](), Counter[str]()
    for node in nodes:
        value = dict(node.labels).get(label)
        if value is not None and node.status not in {NodeStatus.DEAD, NodeStatus.DRAINING}:
            there[value] += 1
            idle[value] += node.available == node.total
    for group in groups:
        if (value := dict(group.labels).get(label)) is not None:
            there[value] += 0
    return sorted(there, key=lambda value: (-idle[value], -there[value], value))
