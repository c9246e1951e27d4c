"""The last decision holds for as long as nothing has happened that calls for another one.

Nodes that were chosen together are on their way one by one, and packing work on those that are there comes to
another end now and then: one node more. So while demand and working nodes are as they were, no group becomes
larger than it was meant to be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import merged
from rayfleet.autoscaling.inputs import Memory, Settled, WorkerGroup
from rayfleet.autoscaling.placing.capacity import Bin
from rayfleet.autoscaling.placing.solution import Solution
from rayfleet.autoscaling.sizing.changes import Change
from rayfleet.ray.state import Demand, RayState, Shape


def grounds_of(ray: RayState, groups: Sequence[WorkerGroup], bins: Iterable[Bin]) -> tuple[object, ...]:
    """What a decision rests on, without nodes that are on their way or have just arrived."""
    nodes = [
        (one.tier.value, one.group, one.free, tuple(map(str, one.kind)), one.size)
        for one in bins
        if one.tier is Tier.BLOCKED or (one.tier is Tier.RUNNING and one.free != one.total)
    ]
    return (
        _counted(ray.demands),
        tuple(
            sorted(
                (gang.name, gang.strategy.value, _counted(gang.bundles), str(gang[3:])) for gang in ray.gangs
            )
        ),
        tuple(sorted(map(_counted, ray.constraints))),
        tuple(sorted(nodes)),
        tuple(replace(group, desired=0, resized_to=None, refused=None) for group in groups),
    )


def _counted(demands: Iterable[Demand]) -> tuple[tuple[Shape, int], ...]:
    return tuple((one.shape, one.count) for one in merged(demands))


def sizes_before(memory: Memory, grounds: tuple[object, ...]) -> Mapping[str, int] | None:
    """What each group was meant to have by the last decision, where that still holds."""
    return memory.settled.sizes if memory.settled and memory.settled.grounds == hash(grounds) else None


def settle_for(grounds: tuple[object, ...], changes: Iterable[Change], solution: Solution) -> Settled | None:
    """This decision, to be held to; none where a ceiling of cost may have kept work waiting."""
    limited = solution.packing.gpus_left is not None and any(entry.left for entry in solution.entries)
    if limited:
        return None
    sizes = {one.census.group.name: one.wanted + one.asked - one.started for one in changes}
    return Settled(hash(grounds), sizes)
