"""Places work on existing nodes: each request on the first node that it fits, in order of preference."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec import Struct, field

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Kind, Need, Space
from rayfleet.autoscaling.effort import Effort
from rayfleet.autoscaling.placing.capacity import Bin, Template, preference
from rayfleet.autoscaling.placing.scoring import Load

_ADDED = 100
"""Steps for sorting in one more kind of nodes."""
_USUAL = 3
"""Up to this many resources in one request, the innermost loop has lines of its own."""
_SPLIT = 40
"""Steps for placing work on one kind of nodes."""


class Rooms(NamedTuple):
    """What could still be started at one moment."""

    groups: tuple[int, ...]
    gpus_left: int | None

    def can_start(self, template: Template) -> int:
        """How many replicas of a group may still be started."""
        room = self.groups[template.index]
        if self.gpus_left is not None and template.gpus:
            room = min(room, self.gpus_left // template.gpus)
        return max(0, room)


class Packing(Struct):
    """A placement of demand, as far as it has been worked out."""

    space: Space
    templates: tuple[Template, ...]
    bins: list[Bin]
    """In order of preference. Bins are never changed, only replaced, so a shallow copy is enough."""
    room: list[int]
    """How many more replicas each group may get."""
    gpus_left: int | None
    """How many more GPUs the ceilings allow; None without a ceiling."""
    new: list[int] = field(default_factory=list)
    """Replicas to start, by group."""
    placed: dict[tuple[int, int, Tier], int] = field(default_factory=dict)
    """How many are placed, by (need, group, tier)."""

    @property
    def size(self) -> int:
        """The number of nodes to start."""
        return sum(n * t.group.num_of_hosts for n, t in zip(self.new, self.templates, strict=True))

    @property
    def effort(self) -> Effort:
        """The effort left for the whole decision, however many ways are tried."""
        return self.space.effort

    @property
    def rooms(self) -> Rooms:
        """What could still be started now."""
        return Rooms(tuple(self.room), self.gpus_left)

    def copy(self, placed: dict[tuple[int, int, Tier], int] | None = None) -> "Packing":
        """A copy to try something on; it starts with `placed` instead of our own, if given."""
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
        """Place `load` on each of these nodes; return the nodes with it."""
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
        """Insert nodes at their place in the order of preference."""
        gpu = self.space.gpu
        self.effort.spend(_ADDED + 12 * len(self.space.names))
        insort(self.bins, fresh, key=lambda nodes: preference(nodes, gpu))

    def add_all(self, fresh: Iterable[Bin]) -> None:
        """Insert many at once."""
        gpu = self.space.gpu
        self.bins = sorted([*self.bins, *fresh], key=lambda nodes: preference(nodes, gpu))

    def put_in_order(self, bins: list[Bin]) -> None:
        """Replace all bins by these, in order of preference."""
        gpu = self.space.gpu
        self.effort.spend((_ADDED + 12 * len(self.space.names)) * len(bins))
        self.bins = sorted(bins, key=lambda nodes: preference(nodes, gpu))


class Search(Struct, frozen=True):
    """One way to look for places."""

    fresh: tuple[Template, ...]
    """Groups whose nodes can be started."""
    late: tuple[Template, ...]
    """Groups whose pods are blocked: for work that has no place anywhere else."""
    thorough: bool
    """Whether to consider everything that each node could hold together. Otherwise each request goes to the
    first node that it fits, which is quicker and sometimes better."""
    last: bool = False
    """Whether no more work is placed afterwards: then nodes need not stay in order of preference."""


def place(packing: Packing, need: Need, count: int, *, blocked: bool = False) -> int:
    """Place as many of `count` requests as fit on existing nodes; return the number left.

    With `blocked`, only nodes that have been blocked for too long are used; otherwise none of them are.
    """
    selectors = need.shape.selectors
    if packing.effort.spent:
        return count
    if not selectors:
        return _place_on(packing, need, count, None, blocked=blocked)
    kinds = {nodes.kind for nodes in packing.bins}
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
    """Place requests on nodes of these kinds (None: of all kinds); return the number left."""
    bins, effort, gang = packing.bins, packing.effort, need.gang
    start, each = 0, 1 if len(need.amounts) <= _USUAL else len(need.amounts)
    split = _SPLIT + len(packing.space.names) // 2
    while count and not effort.spent:
        effort.spend(split + (len(bins) - start) * each // 2)
        for at in _fits(bins, need.amounts, start):
            nodes = bins[at]
            wrong = (nodes.tier is Tier.BLOCKED) is not blocked
            if not (wrong or (kinds is not None and nodes.kind not in kinds) or -1 < gang == nodes.gang):
                break
        else:
            break
        placed, parts = _split(nodes, need, count)
        packing.note(need, nodes.group, nodes.tier, placed)
        bins[at : at + 1] = parts
        count -= placed
        start = at + len(parts)
    return count


def _fits(bins: list[Bin], amounts: tuple[tuple[int, int], ...], at: int) -> Iterator[int]:
    """The bins from `at` on whose nodes have these amounts free.

    This is the innermost loop of a decision, so the usual numbers of resources have lines of their own.
    """
    rest = bins[at:] if at else bins
    if len(amounts) == 1:
        ((d, a),) = amounts
        return (i for i, nodes in enumerate(rest, at) if nodes.free[d] >= a)
    if len(amounts) == 2:  # noqa: PLR2004 - two resources
        (d, a), (e, b) = amounts
        return (i for i, nodes in enumerate(rest, at) if nodes.free[d] >= a and nodes.free[e] >= b)
    if len(amounts) == 3:  # noqa: PLR2004 - three
        (d, a), (e, b), (f, c) = amounts
        return (
            i
            for i, nodes in enumerate(rest, at)
            if nodes.free[d] >= a and nodes.free[e] >= b and nodes.free[f] >= c
        )
    return (i for i, nodes in enumerate(rest, at) if all(nodes.free[d] >= a for d, a in amounts))


def _split(nodes: Bin, need: Need, count: int) -> tuple[int, list[Bin]]:
    """Fill one node after the other; return how many requests fit, and the resulting bins, fullest first."""
    each = 1 if need.gang >= 0 else min([nodes.free[d] // a for d, a in need.amounts], default=count)
    full = min(nodes.size, count // each) if each else 0
    rest = min(count - full * each, each) if full < nodes.size else 0
    parts = []
    if full:
        parts.append(_loaded(nodes, need, each, 0, full))
    if rest:
        parts.append(_loaded(nodes, need, rest, full, full + 1))
    used = full + (1 if rest else 0)
    if used < nodes.size:
        parts.append(
            Bin(
                nodes.group,
                nodes.tier,
                nodes.kind,
                nodes.free,
                nodes.total,
                nodes.size - used,
                nodes.members[used:],
                nodes.load,
                nodes.gang,
                nodes.accelerated,
                nodes.accelerator_work,
                nodes.fixed,
            )
        )
    return full * each + rest, parts


def _loaded(nodes: Bin, need: Need, each: int, first: int, last: int) -> Bin:
    """Nodes `first` up to `last` of a bin, with `each` more of the requests on each."""
    free = list(nodes.free)
    for dimension, amount in need.amounts:
        free[dimension] -= amount * each
    return Bin(
        nodes.group,
        nodes.tier,
        nodes.kind,
        tuple(free),
        nodes.total,
        last - first,
        nodes.members[first:last],
        (*nodes.load, (need.entry, each)),
        need.gang if need.gang >= 0 else nodes.gang,
        nodes.accelerated,
        nodes.accelerator_work or need.wants_accelerator,
        nodes.fixed,
    )
