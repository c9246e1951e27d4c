"""The order in which demand is placed: requested sizes, `request_resources`, gangs, tasks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.autoscaling.decision import DemandKind, Tier
from rayfleet.autoscaling.demand.gangs import as_demands, in_order
from rayfleet.autoscaling.demand.localities import Ways
from rayfleet.autoscaling.demand.needs import Need, merged, needs_of
from rayfleet.autoscaling.placing.capacity import Template
from rayfleet.autoscaling.placing.filling import fill_nodes
from rayfleet.autoscaling.placing.opening import start_nodes
from rayfleet.autoscaling.placing.packing import Packing, Search, place
from rayfleet.autoscaling.placing.right_size import right_size
from rayfleet.autoscaling.placing.solution import Entry, Solution, cost
from rayfleet.ray.state import Demand, Gang, RayState, Strategy

_COPIED: Final = 10
"""Steps for copying one kind of nodes as empty ones."""
_SMALL: Final = 1_000
"""Up to this number of kinds of nodes times kinds of demand there is time for two searches."""


def solve(
    packing: Packing,
    ray: RayState,
    ways: Mapping[Gang, Ways],
    floors: Mapping[int, int],
    stuck: frozenset[str],
) -> Solution:
    """Place all demand.

    `ways`: how placement groups that ask for more than their bundles may be placed; `floors`: replicas to
    start anyway, by group; `stuck`: groups whose pods are blocked.
    A small cluster is searched thoroughly as well. The result of the quicker search is used if it serves all
    that the thorough one serves, and starts less.
    """
    entries = len(ray.demands) + sum(len(gang.bundles) for gang in ray.gangs) + sum(map(len, ray.constraints))
    search = Search(
        fresh=tuple([t for t in packing.templates if t.group.name not in stuck]),
        late=tuple([t for t in packing.templates if t.group.name in stuck]),
        thorough=False,
    )
    is_small = len(packing.bins) * entries <= _SMALL
    for index, replicas in sorted(floors.items()):
        template = packing.templates[index]
        _start(packing, template, min(replicas, packing.can_start(template)))
    if not is_small:
        return _solve(packing, ray, ways, search)
    best = _solve(packing.copy(), ray, ways, replace(search, thorough=True))
    if best.packing.new == packing.new:
        return best  # It starts nothing, and nothing can start less.
    quicker = _solve(packing, ray, ways, search)
    return quicker if _serves(quicker, best) and cost(quicker.packing) < cost(best.packing) else best


def _serves(solution: Solution, other: Solution) -> bool:
    """Whether `solution` leaves no more of any entry than `other` does."""
    left = {(entry.kind, entry.need.shape, entry.gang): entry.left for entry in other.entries}
    return all(
        entry.left <= left.get((entry.kind, entry.need.shape, entry.gang), 0) for entry in solution.entries
    )


def _solve(packing: Packing, ray: RayState, ways: Mapping[Gang, Ways], search: Search) -> Solution:
    solution = Solution(packing, [], set())
    constraints = [merged(constraint) for constraint in ray.constraints]
    constraints.sort(key=lambda demands: [(demand.shape, demand.count) for demand in demands])
    partly = [demands for demands in constraints if not _satisfy(solution, demands, search, whole=True)]
    for gang in in_order(ray.gangs):
        own = ways.get(gang) if ways else None
        _place_gang(solution, gang, ((gang.bundles,),) if own is None else own, search)
    _place_tasks(solution, ray.demands, replace(search, last=not partly))
    for constraint in partly:
        _satisfy(solution, constraint, search, whole=False)
    return solution


def _place_tasks(solution: Solution, demands: Iterable[Demand], search: Search) -> None:
    packing = solution.packing
    needs = needs_of(packing.space, merged(demands), len(solution.entries))
    left = settle(packing, needs, search)
    tasks = _entries(DemandKind.TASKS, packing, needs, left)
    if right_size(packing, [*solution.entries, *tasks], search.fresh) and any(left):
        # Nodes that moved to smaller groups may have made room in their former groups.
        rest = [need._replace(copies=n) for need, n in zip(needs, left, strict=True)]
        left = settle(packing, rest, search)
        tasks = _entries(DemandKind.TASKS, packing, needs, left)
    solution.entries += tasks


def _entries(kind: DemandKind, packing: Packing, needs: Sequence[Need], left: Sequence[int]) -> list[Entry]:
    skipped = packing.effort.spent
    return [Entry(kind, need, n, skipped=skipped and n > 0) for need, n in zip(needs, left, strict=True)]


def _start(packing: Packing, template: Template, replicas: int) -> None:
    """Start replicas that are needed whatever runs on them."""
    if replicas > 0:
        packing.start(template, replicas)
        for node, count in template.hosts:
            packing.add(template.nodes(node, Tier.NEW, count * replicas, fixed=True))


def settle(packing: Packing, needs: Sequence[Need], search: Search) -> list[int]:
    """Place needs on existing nodes, then on new ones, then on blocked ones; return what is left of each."""
    left = [need.copies for need in needs]
    for blocked in (False, True):
        if search.thorough:
            fill_nodes(packing, needs, left, search, blocked=blocked)
        else:
            for at, need in enumerate(needs):
                if left[at]:
                    left[at] = place(packing, need, left[at], blocked=blocked)
        if any(left) and not packing.effort.spent:
            start_nodes(packing, needs, left, search, blocked=blocked)
        if not any(left) or packing.effort.spent:
            break
    return left


def _satisfy(solution: Solution, constraint: Sequence[Demand], search: Search, *, whole: bool) -> bool:
    """Make sure that the cluster has nodes for these requests, whatever runs on them; return whether it will.

    `whole`: do nothing unless all of it can be satisfied. What can only be satisfied in part comes after the
    demand.
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
        nodes._replace(free=nodes.total, load=(), gang=-1, accelerator_work=False, fixed=True)
        for nodes in packing.bins
    ]
    needs = needs_of(packing.space, constraint, len(solution.entries))
    left = settle(trial, needs, search)
    if whole and any(left):
        return False
    entries = _entries(DemandKind.CONSTRAINT, trial, needs, left)
    right_size(trial, entries, search.fresh)
    solution.entries += entries
    solution.kept |= {name for nodes in trial.bins if nodes.load for name in nodes.members}
    for template in packing.templates:
        _start(packing, template, trial.new[template.index] - packing.new[template.index])
    packing.placed = trial.placed
    return True


class _Attempt(Struct, frozen=True):
    """One way to place a gang, and the result."""

    packing: Packing
    needs: list[Need]
    lacking: Need | None


def _place_gang(solution: Solution, gang: Gang, ways: Ways, search: Search) -> None:
    """Place all of a gang, or none of it: the first choice that is possible, in the way that starts least."""
    packing, first = solution.packing, len(solution.entries)
    # If an equal gang was not placed, and nothing has been placed since, this one cannot be.
    alike = gang._replace(name="")
    failed = solution.vain.get(alike)
    for choice in ways if failed is None else ():
        best: _Attempt | None = None
        for way in choice:
            if packing.effort.spent:
                break
            attempt = _attempt(packing, gang, way, first, search)
            if attempt.lacking:
                failed = failed or (attempt.needs, attempt.lacking, attempt.packing.rooms)
            elif best is None or cost(attempt.packing) < cost(best.packing):
                best = attempt
                if attempt.packing.size == packing.size:
                    break
        if best:
            packing.placed.update(best.packing.placed)  # No other need has its entries.
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


def _attempt(packing: Packing, gang: Gang, way: Sequence[Demand], first: int, search: Search) -> _Attempt:
    packing.effort.spend(len(packing.bins) // 8 + len(packing.templates))
    apart = first if gang.strategy is Strategy.STRICT_SPREAD else -1
    needs = needs_of(packing.space, as_demands(gang, way), first, apart)
    trial = packing.copy(placed={})
    left = settle(trial, needs, search)
    return _Attempt(trial, needs, next((need for need, rest in zip(needs, left, strict=True) if rest), None))
