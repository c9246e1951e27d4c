"""The order in which demand is placed: sizes that are asked for, `request_resources`, gangs, tasks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rayfleet.autoscaling.decision import DemandKind, Tier
from rayfleet.autoscaling.demand.gangs import as_demands, in_order
from rayfleet.autoscaling.demand.localities import Ways
from rayfleet.autoscaling.demand.needs import Need, merged, needs_of
from rayfleet.autoscaling.placing.capacity import Bin, Template
from rayfleet.autoscaling.placing.filling import fill_nodes
from rayfleet.autoscaling.placing.opening import start_nodes
from rayfleet.autoscaling.placing.packing import Packing, Rooms, place
from rayfleet.autoscaling.placing.right_size import right_size
from rayfleet.ray.state import Demand, Gang, RayState, Strategy

_COPIED: Final = 10
"""Steps that it takes to look at one kind of nodes as if it were empty."""
_SMALL: Final = 1_000
"""Kinds of nodes times kinds of demand, up to which there is time for two ways."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of demand, and how much of it found no place."""

    kind: DemandKind
    need: Need
    left: int
    gang: Gang | None = None
    lacking: Need | None = None
    """Of a gang that is not placed: a bundle that there is no room for, when others of it have theirs."""
    rooms: Rooms | None = None
    """What could still have been started when a gang had been placed as far as it could be."""
    skipped: bool = False
    """It was not looked at to its end: there was too much before it."""


@dataclass(slots=True)
class Solution:
    """Everything placed that can be."""

    packing: Packing
    entries: list[Entry]
    kept: set[str]
    """Pods that `request_resources` keeps, busy or not."""
    vain: dict[Gang, tuple[list[Need], Need, Rooms]] = field(default_factory=dict)
    """Gangs that found no place since something was placed last: what they lack, what could be started."""


def solve(
    packing: Packing,
    ray: RayState,
    ways: Mapping[Gang, Ways],
    floors: Mapping[int, int],
    stuck: frozenset[str],
) -> Solution:
    """Place all demand.

    `ways`: how placement groups may be had that ask for more than their bundles; `floors`: replicas to start
    anyway, by group; `stuck`: groups whose pods do not come.
    A small cluster is worked out in two ways. The second is taken where it serves all that the first serves
    with less to start.
    """
    entries = len(ray.demands) + sum(len(gang.bundles) for gang in ray.gangs) + sum(map(len, ray.constraints))
    best: Solution | None = None
    for thorough in (True, False) if len(packing.bins) * entries <= _SMALL else (False,):
        packing.thorough = thorough
        best = _better(best, _solve(packing.copy(), ray, ways, floors, stuck))
    assert best is not None  # noqa: S101 - there is always one way
    return best


def _better(first: Solution | None, second: Solution) -> Solution:
    if first is None:
        return second
    left = {(entry.kind, entry.need.shape, entry.gang): entry.left for entry in first.entries}
    serves = all(
        entry.left <= left.get((entry.kind, entry.need.shape, entry.gang), 0) for entry in second.entries
    )
    return second if serves and _cost(second.packing) < _cost(first.packing) else first


def _cost(packing: Packing) -> tuple[object, ...]:
    """Nodes to start, then the accelerators in them, then how much of what is asked for, then of all."""
    started = _started(packing)
    sums = [sum(n * t.node.total[d] for n, t in started) for d in range(len(packing.space.names))]
    accelerators = sum(replicas * t.gpus for replicas, t in zip(packing.new, packing.templates, strict=True))
    return (packing.size, accelerators, sums, round(sum(n * t.extent for n, t in started), 4))


def _started(packing: Packing) -> list[tuple[int, Template]]:
    return [(n * t.group.num_of_hosts, t) for n, t in zip(packing.new, packing.templates, strict=True) if n]


def _solve(
    packing: Packing,
    ray: RayState,
    ways: Mapping[Gang, Ways],
    floors: Mapping[int, int],
    stuck: frozenset[str],
) -> Solution:
    solution = Solution(packing, [], set())
    for index, replicas in sorted(floors.items()):
        _start_floor(packing, packing.templates[index], replicas)
    fresh = [t for t in packing.templates if t.group.name not in stuck]
    late = [t for t in packing.templates if t.group.name in stuck]
    constraints = [merged(constraint) for constraint in ray.constraints]
    constraints.sort(key=lambda one: [(demand.shape, demand.count) for demand in one])
    partly = [one for one in constraints if not _satisfy(solution, one, fresh, late, whole=True)]
    for gang in in_order(ray.gangs):
        found = ways.get(gang) if ways else None
        _place_gang(solution, gang, ((gang.bundles,),) if found is None else found, fresh, late)
    needs = needs_of(packing.space, merged(ray.demands), len(solution.entries))
    solution.packing.last = not partly
    left = settle(solution.packing, needs, fresh, late)
    tasks = _tasks(packing, needs, left)
    if right_size(solution.packing, [*solution.entries, *tasks], stuck) and any(left):
        # Smaller nodes may have made room in their former groups.
        left = settle(
            solution.packing,
            [need._replace(copies=n) for need, n in zip(needs, left, strict=True)],
            fresh,
            late,
        )
        tasks = _tasks(packing, needs, left)
    solution.entries += tasks
    for constraint in partly:
        _satisfy(solution, constraint, fresh, late, whole=False)
    return solution


def _tasks(packing: Packing, needs: Sequence[Need], left: Sequence[int]) -> list[Entry]:
    skipped = packing.effort.spent
    return [
        Entry(DemandKind.TASKS, need, n, skipped=skipped and n > 0)
        for need, n in zip(needs, left, strict=True)
    ]


def _start_floor(packing: Packing, template: Template, wanted: int) -> None:
    replicas = min(wanted, packing.can_start(template))
    if replicas > 0:
        packing.start(template, replicas)
        for one in _fresh_bins(template, replicas):
            packing.add(one)


def _fresh_bins(template: Template, replicas: int) -> Iterator[Bin]:
    """The nodes of replicas that are started whatever runs on them."""
    for (total, kind), count in template.hosts:
        yield Bin(
            template.index,
            Tier.NEW,
            kind,
            total,
            total,
            count * replicas,
            accelerated=template.gpus > 0,
            fixed=True,
        )


def settle(
    packing: Packing, needs: Sequence[Need], fresh: Sequence[Template], late: Sequence[Template]
) -> list[int]:
    """Place needs on nodes there are, then on new ones, then wait for blocked ones; what is left of each."""
    left = [need.copies for need in needs]
    for blocked, groups in ((False, fresh), (True, late)):
        if packing.thorough:
            fill_nodes(packing, needs, left, blocked=blocked)
        else:
            for at, need in enumerate(needs):
                if left[at]:
                    left[at] = place(packing, need, left[at], blocked=blocked)
        if any(left) and not packing.effort.spent:
            start_nodes(packing, needs, left, groups)
        if not any(left) or packing.effort.spent:
            break
    return left


def _satisfy(
    solution: Solution,
    constraint: Sequence[Demand],
    fresh: Sequence[Template],
    late: Sequence[Template],
    *,
    whole: bool,
) -> bool:
    """Have enough nodes in the cluster for these requests, whatever runs on them; whether that is done.

    `whole`: do nothing unless all of it can be had. What can be had in part only comes after the demand.
    """
    packing = solution.packing
    if packing.effort.spent:
        if not whole:
            needs = needs_of(packing.space, constraint, len(solution.entries))
            solution.entries += [Entry(DemandKind.CONSTRAINT, n, n.copies, skipped=True) for n in needs]
        return False
    packing.effort.spend(len(packing.bins) * _COPIED)
    trial = packing.copy()
    trial.bins = [
        one._replace(free=one.total, load=(), gang=-1, accelerator_work=False, fixed=True)
        for one in packing.bins
    ]
    needs = needs_of(packing.space, constraint, len(solution.entries))
    left = settle(trial, needs, fresh, late)
    if whole and any(left):
        return False
    skipped = trial.effort.spent
    entries = [
        Entry(DemandKind.CONSTRAINT, need, rest, skipped=skipped and rest > 0)
        for need, rest in zip(needs, left, strict=True)
    ]
    right_size(trial, entries, frozenset(t.group.name for t in late))
    solution.entries += entries
    solution.kept |= {name for one in trial.bins if one.load for name in one.members}
    for template in packing.templates:
        more = trial.new[template.index] - packing.new[template.index]
        if more:
            packing.start(template, more)
            for one in _fresh_bins(template, more):
                packing.add(one)
    packing.placed = trial.placed
    return True


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way to have a gang, and what came of it."""

    packing: Packing
    needs: list[Need]
    lacking: Need | None


def _place_gang(
    solution: Solution, gang: Gang, ways: Ways, fresh: Sequence[Template], late: Sequence[Template]
) -> None:
    """All of a gang, or none of it: the first choice that can be had, in the way that starts least."""
    packing, first = solution.packing, len(solution.entries)
    # Where an equal one was not placed, and nothing else has been since, this one is not.
    alike = gang._replace(name="")
    failed = solution.vain.get(alike)
    for choice in ways if failed is None else ():
        best: _Attempt | None = None
        for way in choice:
            if packing.effort.spent:
                break
            attempt = _attempt(packing, gang, way, first, (fresh, late))
            if attempt.lacking:
                failed = failed or (attempt.needs, attempt.lacking, attempt.packing.rooms)
            elif best is None or _cost(attempt.packing) < _cost(best.packing):
                best = attempt
                if attempt.packing.size == packing.size:
                    break
        if best:
            packing.placed.update(best.packing.placed)  # Its entries are its own.
            best.packing.placed = packing.placed
            solution.packing = best.packing
            solution.vain.clear()
            solution.entries += [Entry(DemandKind.GANG, need, 0, gang) for need in best.needs]
            return
    skipped = packing.effort.spent
    if failed and not skipped:
        solution.vain[alike] = failed
    needs, lacking, rooms = failed or (None, None, None)
    if needs is None:
        needs = needs_of(packing.space, as_demands(gang, gang.bundles), first)
    solution.entries += [
        Entry(
            DemandKind.GANG,
            need._replace(entry=first + at),
            need.copies,
            gang,
            lacking,
            rooms,
            skipped=skipped,
        )
        for at, need in enumerate(needs)
    ]


def _attempt(
    packing: Packing,
    gang: Gang,
    way: Sequence[Demand],
    first: int,
    usable: tuple[Sequence[Template], Sequence[Template]],
) -> _Attempt:
    packing.effort.spend(len(packing.bins) // 8 + len(packing.templates))
    apart = first if gang.strategy is Strategy.STRICT_SPREAD else -1
    needs = needs_of(packing.space, as_demands(gang, way), first, apart)
    trial = packing.copy(placed={})
    left = settle(trial, needs, *usable)
    return _Attempt(trial, needs, next((need for need, rest in zip(needs, left, strict=True) if rest), None))
