"""How large each group should be, which nodes may go, and why: one pure function."""

from collections.abc import Sequence

from msgspec.structs import replace

from rayfleet.autoscaling.answers import answers_of, oversized, waiting_of
from rayfleet.autoscaling.decision import Decision
from rayfleet.autoscaling.demand.localities import placeable, ways_of
from rayfleet.autoscaling.demand.needs import shapes_of, space_of
from rayfleet.autoscaling.inputs import AutoscalingPolicy, Memory, Worker, WorkerGroup
from rayfleet.autoscaling.placing.capacity import running_bins, templates_of
from rayfleet.autoscaling.placing.packing import Packing
from rayfleet.autoscaling.placing.stages import solve
from rayfleet.autoscaling.sizing.census import Census, coming_bins, room_for_missing, take_census
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.sizing.settled import grounds_of
from rayfleet.autoscaling.sizing.sizes import size_groups
from rayfleet.autoscaling.summary import summary_of
from rayfleet.ray.state import RayState


def decide(
    ray: RayState | None,
    groups: Sequence[WorkerGroup],
    workers: Sequence[Worker],
    policy: AutoscalingPolicy,
    memory: Memory,
    now: float,
) -> Decision:
    """Decide the size of every group, in replicas.

    `ray` is a complete and fresh view, without Ray nodes that belong to an earlier pod of the same name. None
    means that there is no such view: nothing shrinks, and groups grow only to sizes that were asked for.
    `workers` are the pods of the groups that have not ended and are not terminating; pods marked for removal
    are `draining`. `memory` is that of the last decision, `now` is in Unix seconds. The order of the inputs
    does not matter.
    """
    groups = sorted((_with_remembered(group, memory) for group in groups), key=lambda group: group.name)
    workers = sorted(workers, key=lambda worker: worker.name)
    known = ray if ray is not None else RayState("", 0, (), (), (), ())
    groups = placeable(known, groups)
    ways = ways_of(known, groups)
    narrowed = (demand for choices in ways.values() for choice in choices for way in choice for demand in way)
    space = space_of(shapes_of(known, narrowed))
    bins, joined = running_bins(space, known, groups, workers)
    context = SizingContext(policy, memory, now, joined, known=ray is not None)
    census = take_census(groups, workers, context)
    stuck = frozenset(each.group.name for each in census if each.stuck)
    templates = templates_of(space, groups, stuck)
    gpus_left = min((max(0, ceiling.gpus_left) for ceiling in policy.ceilings), default=None)
    packing = Packing(
        space,
        templates,
        [],
        room=[0 if each.group.withheld else each.maximum - each.present for each in census],
        gpus_left=room_for_missing(templates, census, gpus_left),
        new=[0] * len(groups),
    )
    packing.add_all((*bins, *coming_bins(templates, census, joined)))
    floors = {at: _floor(each) for at, each in enumerate(census)}
    context = replace(context, grounds=grounds_of(known, groups, packing.bins))
    solution = solve(packing, known, ways, floors, stuck)
    if any(entry.skipped for entry in solution.entries):
        # What was not considered may need nodes that seem idle.
        context = replace(context, known=False)
    sizes = size_groups(solution, census, floors, context)
    answers = answers_of(solution, census, policy, sizes)
    return Decision(
        groups=sizes.groups,
        drains=sizes.drains,
        cancels=sizes.cancels,
        next_look=sizes.next_look,
        answers=answers,
        oversized=oversized(solution),
        summary=summary_of(sizes.groups, answers, known=ray is not None),
        waiting=waiting_of(answers, sizes.groups),
        known=ray is not None,
        memory=sizes.memory,
    )


def _with_remembered(group: WorkerGroup, memory: Memory) -> WorkerGroup:
    """The group, with `refused.since` from the first refusal that we remember."""
    since = memory.blocked_since.get(group.name)
    if group.refused and since is not None and since < group.refused.since:
        return replace(group, refused=replace(group.refused, since=since))
    return group


def _floor(census: Census) -> int:
    """Replicas to start whatever the demand: up to min, a metric's replicas, or a changed `replicas`."""
    if census.group.withheld:
        return 0
    asked = min(census.group.resized_to or 0, census.maximum)
    return max(0, max(census.floor, asked) - census.present)
