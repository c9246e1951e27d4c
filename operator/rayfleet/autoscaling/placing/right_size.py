"""Moves each new node to a smaller group if its load fits there."""

from collections.abc import Iterable, Mapping, Sequence

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Kind
from rayfleet.autoscaling.placing.capacity import Template
from rayfleet.autoscaling.placing.packing import Packing
from rayfleet.autoscaling.placing.solution import Entry
from rayfleet.ray.state import LabelSelector


def right_size(packing: Packing, entries: Iterable[Entry], usable: Sequence[Template]) -> bool:
    """Choose the smallest usable group for the load of each new node; return whether anything has changed.

    The number of nodes stays the same.
    """
    single = [t for t in packing.templates if t.group.num_of_hosts == 1]
    sizes = {t.index: _size(packing, t) for t in single}
    ordered = sorted([t for t in usable if t.index in sizes], key=lambda t: sizes[t.index])
    if len(ordered) < 2:  # noqa: PLR2004 - a choice takes two
        return False
    selectors = {entry.need.entry: entry.need.shape.selectors for entry in entries}
    changed = False
    while _pass(packing, ordered, sizes, selectors):
        changed = True
    return changed


def _pass(
    packing: Packing,
    ordered: Sequence[Template],
    sizes: Mapping[int, tuple[object, ...]],
    selectors: Mapping[int, tuple[LabelSelector, ...]],
) -> bool:
    """Consider each new node once, as the room that one leaves may be what another needs."""
    changed = False
    for at, nodes in enumerate(packing.bins):
        if packing.effort.spent:
            return False
        if nodes.tier is not Tier.NEW or nodes.fixed or not nodes.load or nodes.group not in sizes:
            continue
        asked = [alternatives for index, _ in nodes.load if (alternatives := selectors.get(index))]
        used = [before - left for before, left in zip(nodes.total, nodes.free, strict=True)]
        for template in ordered:
            if sizes[template.index] >= sizes[nodes.group]:
                break
            if _suits(packing, template, nodes.kind, used, asked):
                _move(packing, at, template, used)
                changed = True
                break
    return changed


def _size(packing: Packing, template: Template) -> tuple[object, ...]:
    """Smaller for a preferred group: not a fallback, fewer accelerators, less of what is asked for.

    Of equals the higher priority goes first, then less of everything else.
    """
    largest = [max(t.first.total[d] for t in packing.templates) for d in range(len(template.first.total))]
    shares = sum(total / most for total, most in zip(template.first.total, largest, strict=True) if most)
    group = template.group
    return (template.depth, template.gpus, shares, -group.priority, template.extent, group.name)


def _suits(
    packing: Packing,
    template: Template,
    kind: Kind,
    used: Sequence[int],
    asked: Sequence[tuple[LabelSelector, ...]],
) -> bool:
    packing.effort.spend(len(used) + 5 * len(asked) + 5)
    if not packing.can_start(template):
        return False
    for total, amount in zip(template.first.total, used, strict=True):
        if amount > total:
            return False
    rank = packing.space.rank
    return all(0 <= rank(choices, template.first.kind) <= rank(choices, kind) for choices in asked)


def _move(packing: Packing, at: int, template: Template, used: Sequence[int]) -> None:
    nodes = packing.bins[at]
    count = min(nodes.size, packing.can_start(template))
    if count < nodes.size:
        packing.bins.insert(at + 1, nodes._replace(size=nodes.size - count))
    free = tuple([total - amount for total, amount in zip(template.first.total, used, strict=True)])
    packing.bins[at] = nodes._replace(
        group=template.index,
        kind=template.first.kind,
        free=free,
        total=template.first.total,
        size=count,
        accelerated=template.gpus > 0,
    )
    packing.start(packing.templates[nodes.group], -count)
    packing.start(template, count)
    for index, each in nodes.load:
        for group, change in ((nodes.group, -each * count), (template.index, each * count)):
            key = (index, group, Tier.NEW)
            packing.placed[key] = packing.placed.get(key, 0) + change
