"""The last decision holds as long as nothing has happened that calls for another.

Nodes that were chosen together arrive one by one, and packing work on those that have arrived sometimes has
another result: one more node. So while demand and working nodes are unchanged, no group grows beyond the size
that was decided.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import merged
from rayfleet.autoscaling.inputs import Memory, Settled, WorkerGroup
from rayfleet.autoscaling.placing.capacity import Bin
from rayfleet.autoscaling.placing.solution import Solution
from rayfleet.autoscaling.sizing.changes import Change
from rayfleet.ray.state import Demand, RayState, Shape


def grounds_of(ray: RayState, groups: Sequence[WorkerGroup], bins: Iterable[Bin]) -> tuple[object, ...]:
    """What a decision rests on, without nodes that are coming or have just arrived."""
    nodes = [
        (some.tier.value, some.group, some.free, tuple(map(str, some.kind)), some.size)
        for some in bins
        if some.tier is Tier.BLOCKED or (some.tier is Tier.RUNNING and some.free != some.total)
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
    return tuple((demand.shape, demand.count) for demand in merged(demands))


def sizes_before(memory: Memory, grounds: tuple[object, ...]) -> Mapping[str, int] | None:
    """The sizes of the last decision, if it still holds."""
    return memory.settled.sizes if memory.settled and memory.settled.grounds == hash(grounds) else None


def settle_for(grounds: tuple[object, ...], changes: Iterable[Change], solution: Solution) -> Settled | None:
    """This decision, to keep to; None if a ceiling may have kept work waiting."""
    limited = solution.packing.gpus_left is not None and any(entry.left for entry in solution.entries)
    if limited:
        return None
    sizes = {change.census.group.name: change.wanted + change.asked - change.started for change in changes}
    return Settled(hash(grounds), sizes)
