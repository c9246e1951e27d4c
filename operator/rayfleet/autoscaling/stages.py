"""The order in which demand is placed: sizes that are asked for, `request_resources`, gangs, tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayfleet.autoscaling.capacity import Bin, Template
from rayfleet.autoscaling.decision import DemandKind, Tier
from rayfleet.autoscaling.demand import Need, merged, needs_of
from rayfleet.autoscaling.gangs import as_demands, in_order
from rayfleet.autoscaling.opening import start_nodes
from rayfleet.autoscaling.packing import Packing, place
from rayfleet.autoscaling.sizing import right_size
from rayfleet.ray_state import Gang, RayState, Strategy


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of demand, and how much of it found no place."""

    kind: DemandKind
    need: Need
    left: int
    gang: Gang | None = None


@dataclass(slots=True)
class Solution:
    """Everything placed that can be."""

    packing: Packing
    entries: list[Entry]
    kept: set[str]
    """Pods that `request_resources` keeps, busy or not."""


def solve(packing: Packing, ray: RayState, floors: Mapping[int, int], stuck: frozenset[str]) -> Solution:
    """Place all demand.

    `floors`: replicas to start anyway, by group; `stuck`: groups whose pods do not come.
    """
    solution = Solution(packing, [], set())
    for index, replicas in sorted(floors.items()):
        _start_floor(packing, packing.templates[index], replicas)
    fresh = [t for t in packing.templates if t.group.name not in stuck]
    late = [t for t in packing.templates if t.group.name in stuck]
    for constraint in sorted(merged(constraint) for constraint in ray.constraints):
        needs = needs_of(packing.space, constraint, len(solution.entries))
        _satisfy(solution, needs, fresh, late)
    for gang in in_order(ray.gangs):
        _place_gang(solution, gang, fresh, late)
    needs = needs_of(packing.space, merged(ray.demands), len(solution.entries))
    left = settle(solution.packing, needs, fresh, late)
    solution.entries += [Entry(DemandKind.TASKS, need, rest) for need, rest in zip(needs, left, strict=True)]
    right_size(solution.packing, solution.entries, stuck)
    return solution


def _start_floor(packing: Packing, template: Template, wanted: int) -> None:
    replicas = min(wanted, packing.can_start(template))
    if replicas > 0:
        packing.start(template, replicas)
        packing.add(fresh_bin(template, replicas * template.group.num_of_hosts, Tier.NEW, fixed=True))


def fresh_bin(template: Template, count: int, tier: Tier, *, fixed: bool = False) -> Bin:
    """Nodes of a group that nothing runs on yet."""
    return Bin(template.index, tier, template.kind, template.total, template.total, count, fixed=fixed)


def settle(
    packing: Packing, needs: Sequence[Need], fresh: Sequence[Template], late: Sequence[Template]
) -> list[int]:
    """Place needs on nodes there are, then on new ones, then wait for blocked ones; what is left of each."""
    left = [place(packing, need, need.copies) for need in needs]
    if any(left):
        start_nodes(packing, needs, left, fresh)
    if any(left):
        left = [
            place(packing, need, rest, blocked=True) if rest else 0
            for need, rest in zip(needs, left, strict=True)
        ]
    if any(left):
        start_nodes(packing, needs, left, late)
    return left


def _satisfy(
    solution: Solution, needs: Sequence[Need], fresh: Sequence[Template], late: Sequence[Template]
) -> None:
    """Have enough nodes in the cluster for these requests, whatever runs on them."""
    packing = solution.packing
    whole = packing.copy()
    whole.bins = [one._replace(free=one.total, load=(), gang=-1) for one in packing.bins]
    left = settle(whole, needs, fresh, late)
    entries = [Entry(DemandKind.CONSTRAINT, need, rest) for need, rest in zip(needs, left, strict=True)]
    right_size(whole, entries, frozenset(t.group.name for t in late))
    solution.entries += entries
    solution.kept |= {name for one in whole.bins if one.load for name in one.members}
    for template in packing.templates:
        more = whole.new[template.index] - packing.new[template.index]
        if more:
            packing.start(template, more)
            packing.add(fresh_bin(template, more * template.group.num_of_hosts, Tier.NEW, fixed=True))
    packing.placed = whole.placed


def _place_gang(solution: Solution, gang: Gang, fresh: Sequence[Template], late: Sequence[Template]) -> None:
    """All of a gang, or none of it."""
    first = len(solution.entries)
    apart = first if gang.strategy is Strategy.STRICT_SPREAD else -1
    needs = needs_of(solution.packing.space, as_demands(gang), first, apart)
    trial = solution.packing.copy()
    left = settle(trial, needs, fresh, late)
    if any(left):
        left = [need.copies for need in needs]
    else:
        solution.packing = trial
    solution.entries += [
        Entry(DemandKind.GANG, need, rest, gang) for need, rest in zip(needs, left, strict=True)
    ]
