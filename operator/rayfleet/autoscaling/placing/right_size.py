"""After the fact: a node that is to be started becomes one of a smaller group where its load fits that."""

from collections.abc import Iterable, Mapping, Sequence

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Kind
from rayfleet.autoscaling.placing.capacity import Template
from rayfleet.autoscaling.placing.packing import Packing
from rayfleet.autoscaling.placing.solution import Entry
from rayfleet.ray.state import LabelSelector


def right_size(packing: Packing, entries: Iterable[Entry], usable: Sequence[Template]) -> bool:
    """Take the smallest of the usable groups that is enough for each new node; whether that changed anything.

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
    """Look at each new node once: the room that one leaves may be what another needs."""
    changed = False
    for at, found in enumerate(packing.bins):
        if packing.effort.spent:
            return False
        if found.tier is not Tier.NEW or found.fixed or not found.load or found.group not in sizes:
            continue
        asked = [one for index, _ in found.load if (one := selectors.get(index))]
        used = [before - left for before, left in zip(found.total, found.free, strict=True)]
        for template in ordered:
            if sizes[template.index] >= sizes[found.group]:
                break
            if _suits(packing, template, found.kind, used, asked):
                _move(packing, at, template, used)
                changed = True
                break
    return changed


def _size(packing: Packing, template: Template) -> tuple[object, ...]:
    """Smaller for the group to be preferred: not a fallback, fewer accelerators, less of what is asked for.

    Between equals a higher priority goes first, then less of everything else.
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
    return all(0 <= rank(one, template.first.kind) <= rank(one, kind) for one in asked)


def _move(packing: Packing, at: int, template: Template, used: Sequence[int]) -> None:
    found = packing.bins[at]
    count = min(found.size, packing.can_start(template))
    if count < found.size:
        packing.bins.insert(at + 1, found._replace(size=found.size - count))
    free = tuple([total - amount for total, amount in zip(template.first.total, used, strict=True)])
    packing.bins[at] = found._replace(
        group=template.index,
        kind=template.first.kind,
        free=free,
        total=template.first.total,
        size=count,
        accelerated=template.gpus > 0,
    )
    packing.start(packing.templates[found.group], -count)
    packing.start(template, count)
    for index, each in found.load:
        for group, change in ((found.group, -each * count), (template.index, each * count)):
            key = (index, group, Tier.NEW)
            packing.placed[key] = packing.placed.get(key, 0) + change
