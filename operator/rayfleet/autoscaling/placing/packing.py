"""Placing work on nodes that are there: each request on the first node it fits, in order of preference."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Kind, Need, Space
from rayfleet.autoscaling.effort import Effort
from rayfleet.autoscaling.placing.capacity import Bin, Template, preference
from rayfleet.autoscaling.placing.scoring import Load

_ADDED = 100
"""Steps that it takes to find the place of one more kind of nodes."""
_USUAL = 3
"""Resources of one request, up to which the innermost loop has lines of its own."""
_SPLIT = 40
"""Steps that it takes to place work on one kind of nodes."""


class Rooms(NamedTuple):
    """What could still be started, at one moment."""

    groups: tuple[int, ...]
    gpus_left: int | None

    def can_start(self, template: Template) -> int:
        """How many replicas of a group may still be started."""
        room = self.groups[template.index]
        if self.gpus_left is not None and template.gpus:
            room = min(room, self.gpus_left // template.gpus)
        return max(0, room)


@dataclass(slots=True)
class Packing:
    """A way to place demand that is being worked out."""

    space: Space
    templates: tuple[Template, ...]
    bins: list[Bin]
    """In order of preference. A bin is never changed, only replaced, so a copy of the list is a copy."""
    room: list[int]
    """How many more replicas each group may get."""
    gpus_left: int | None
    """How many more GPUs the ceilings allow; none where there is no ceiling."""
    new: list[int] = field(default_factory=list)
    """How many replicas are to be started, by group."""
    placed: dict[tuple[int, int, Tier], int] = field(default_factory=dict)
    """How many of (need, group, tier) are placed."""

    @property
    def size(self) -> int:
        """Nodes to be started."""
        return sum(n * t.group.num_of_hosts for n, t in zip(self.new, self.templates, strict=True))

    @property
    def effort(self) -> Effort:
        """Of the whole decision, however many ways are tried."""
        return self.space.effort

    @property
    def rooms(self) -> Rooms:
        """What could still be started, as it is now."""
        return Rooms(tuple(self.room), self.gpus_left)

    def copy(self, placed: dict[tuple[int, int, Tier], int] | None = None) -> "Packing":
        """Another one to try something on; `placed` is what it begins with, if that is not the same."""
        return Packing(
            self.space,
            self.templates,
            self.bins.copy(),
            self.room.copy(),
            self.gpus_left,
            self.new.copy(),
            self.placed.copy() if placed is None else placed,
        )

    def can_start(self, template: Template) -> int:
        """How many replicas of a group may still be started."""
        room = self.room[template.index]
        if self.gpus_left is not None and template.gpus:
            room = min(room, self.gpus_left // template.gpus)
        return max(0, room)

    def start(self, template: Template, replicas: int) -> None:
        self.room[template.index] -= replicas
        self.new[template.index] += replicas
        if self.gpus_left is not None:
            self.gpus_left -= template.gpus * replicas

    def note(self, need: Need, group: int, tier: Tier, count: int) -> None:
        key = (need.entry, group, tier)
        self.placed[key] = self.placed.get(key, 0) + count

    def load(self, nodes: Bin, needs: Sequence[Need], load: Load) -> Bin:
        """Place this on each of these nodes; what they are then."""
        free, gang, accelerator_work = list(nodes.free), nodes.gang, nodes.accelerator_work
        for at, n in load:
            need = needs[at]
            self.note(need, nodes.group, nodes.tier, n * nodes.size)
            gang = need.gang if need.gang >= 0 else gang
            accelerator_work |= need.wants_accelerator
            for dimension, amount in need.amounts:
                free[dimension] -= amount * n
        placed = (*nodes.load, *[(needs[at].entry, n) for at, n in load])
        return Bin(
            nodes.group,
            nodes.tier,
            nodes.kind,
            tuple(free),
            nodes.total,
            nodes.size,
            nodes.members,
            placed,
            gang,
            nodes.accelerated,
            accelerator_work,
            nodes.fixed,
        )

    def add(self, fresh: Bin) -> None:
        """Put nodes where their order of preference wants them."""
        gpu = self.space.gpu
        self.effort.spend(_ADDED + 12 * len(self.space.names))
        insort(self.bins, fresh, key=lambda one: preference(one, gpu))

    def add_all(self, fresh: Iterable[Bin]) -> None:
        """The same for many at once."""
        gpu = self.space.gpu
        self.bins = sorted([*self.bins, *fresh], key=lambda one: preference(one, gpu))

    def put_in_order(self, bins: list[Bin]) -> None:
        """Have these instead of those there were, in their order of preference."""
        gpu = self.space.gpu
        self.effort.spend((_ADDED + 12 * len(self.space.names)) * len(bins))
        self.bins = sorted(bins, key=lambda one: preference(one, gpu))


@dataclass(frozen=True, slots=True)
class Search:
    """One way to look for places."""

    fresh: tuple[Template, ...]
    """Groups of which nodes can be started."""
    late: tuple[Template, ...]
    """Groups whose pods do not come: for work that has no place anywhere else."""
    thorough: bool
    """Whether to look at all that each node could hold together. Else each request goes to the first node
    that it fits: the quicker way, and now and then the better one."""
    last: bool = False
    """Whether no more work is placed afterwards: then nodes are not kept in their order of preference."""


def place(packing: Packing, need: Need, count: int, *, blocked: bool = False) -> int:
    """Place as many of `count` requests as fit on the nodes there are; the number that is left.

    Nodes that are blocked for too long are used only when asked for, and then nothing else is.
    """
    selectors = need.shape.selectors
    if packing.effort.spent:
        return count
    if not selectors:
        return _place_on(packing, need, count, None, blocked=blocked)
    kinds = {one.kind for one in packing.bins}
    packing.effort.spend(len(packing.bins) + 3 * len(kinds))
    ranks = packing.space.ranks(selectors, kinds)
    by_rank: dict[int, set[Kind]] = {}
    for kind in kinds:
        by_rank.setdefault(ranks[kind], set()).add(kind)
    for rank in sorted(by_rank):
        if rank >= 0 and count and not packing.effort.spent:
            count = _place_on(packing, need, count, by_rank[rank], blocked=blocked)
    return count


def _place_on(
    packing: Packing, need: Need, count: int, kinds: AbstractSet[Kind] | None, *, blocked: bool
) -> int:
    """Place on nodes of these kinds: those whose labels satisfy just one of the alternatives first."""
    bins, effort, gang = packing.bins, packing.effort, need.gang
    start, each = 0, 1 if len(need.amounts) <= _USUAL else len(need.amounts)
    split = _SPLIT + len(packing.space.names) // 2
    while count and not effort.spent:
        effort.spend(split + (len(bins) - start) * each // 2)
        for at in _fits(bins, need.amounts, start):
            found = bins[at]
            wrong = (found.tier is Tier.BLOCKED) is not blocked
            if not (wrong or (kinds is not None and found.kind not in kinds) or -1 < gang == found.gang):
                break
        else:
            break
        placed, parts = _split(found, need, count)
        packing.note(need, found.group, found.tier, placed)
        bins[at : at + 1] = parts
        count -= placed
        start = at + len(parts)
    return count


def _fits(bins: list[Bin], amounts: tuple[tuple[int, int], ...], at: int) -> Iterator[int]:
    """Those of the bins from `at` on whose nodes have these amounts left.

    This is the innermost loop of a decision, so the usual numbers of resources have a line of their own.
    """
    rest = bins[at:] if at else bins
    if len(amounts) == 1:
        ((d, a),) = amounts
        return (i for i, one in enumerate(rest, at) if one.free[d] >= a)
    if len(amounts) == 2:  # noqa: PLR2004 - two resources
        (d, a), (e, b) = amounts
        return (i for i, one in enumerate(rest, at) if one.free[d] >= a and one.free[e] >= b)
    if len(amounts) == 3:  # noqa: PLR2004 - three
        (d, a), (e, b), (f, c) = amounts
        return (
            i for i, one in enumerate(rest, at) if one.free[d] >= a and one.free[e] >= b and one.free[f] >= c
        )
    return (i for i, one in enumerate(rest, at) if all(one.free[d] >= a for d, a in amounts))


def _split(found: Bin, need: Need, count: int) -> tuple[int, list[Bin]]:
    """Fill one node after the other: how many went there, and what the bin falls into, fullest first."""
    each = 1 if need.gang >= 0 else min([found.free[d] // a for d, a in need.amounts], default=count)
    full = min(found.size, count // each) if each else 0
    rest = min(count - full * each, each) if full < found.size else 0
    parts = []
    if full:
        parts.append(_loaded(found, need, each, 0, full))
    if rest:
        parts.append(_loaded(found, need, rest, full, full + 1))
    used = full + (1 if rest else 0)
    if used < found.size:
        parts.append(
            Bin(
                found.group,
                found.tier,
                found.kind,
                found.free,
                found.total,
                found.size - used,
                found.members[used:],
                found.load,
                found.gang,
                found.accelerated,
                found.accelerator_work,
                found.fixed,
            )
        )
    return full * each + rest, parts


def _loaded(found: Bin, need: Need, each: int, first: int, last: int) -> Bin:
    """Nodes `first` up to `last` of a bin, each with so many of the requests more."""
    free = list(found.free)
    for dimension, amount in need.amounts:
        free[dimension] -= amount * each
    return Bin(
        found.group,
        found.tier,
        found.kind,
        tuple(free),
        found.total,
        last - first,
        found.members[first:last],
        (*found.load, (need.entry, each)),
        need.gang if need.gang >= 0 else found.gang,
        found.accelerated,
        found.accelerator_work or need.wants_accelerator,
        found.fixed,
    )
