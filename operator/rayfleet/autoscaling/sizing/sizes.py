"""Turns placed demand into sizes: what is started, what goes, and what limits either."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from rayfleet.autoscaling import words
from rayfleet.autoscaling.decision import (
    AS_IT_SHOULD_BE,
    DemandHold,
    GroupDecision,
    ReplicaCancel,
    ReplicaDrain,
    SizeReason,
    Tier,
)
from rayfleet.autoscaling.inputs import AutoscalingPolicy, Memory
from rayfleet.autoscaling.placing.solution import Solution
from rayfleet.autoscaling.sizing.census import Census
from rayfleet.autoscaling.sizing.changes import Change
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.sizing.growing import ask, grow
from rayfleet.autoscaling.sizing.holds import blocked_hold, ceiling_hold, could_hold, group_hold
from rayfleet.autoscaling.sizing.rates import remembered
from rayfleet.autoscaling.sizing.settled import settle_for, sizes_before
from rayfleet.autoscaling.sizing.shrinking import cancel_surplus, cancel_unneeded, drain_idle


class Sizes(Struct, frozen=True):
    """The decision for all groups, before demand is explained."""

    groups: tuple[GroupDecision, ...]
    drains: tuple[ReplicaDrain, ...]
    cancels: tuple[ReplicaCancel, ...]
    next_look: float | None
    rates: Mapping[str, DemandHold]
    """What spreads the growth of a group over time."""
    memory: Memory


def size_groups(
    solution: Solution, census: Sequence[Census], floors: Mapping[int, int], context: SizingContext
) -> Sizes:
    """The sizes, within the limits on how fast they may change."""
    memory = context.memory
    changes = [Change(group, recommended=group.present) for group in census]
    ask(changes, solution.packing, floors, sizes_before(memory, context.grounds))
    grow(changes, solution.packing, floors, context)
    for at, change in enumerate(changes):
        change.recommended += change.asked
        cancel_surplus(change)
        if context.known:
            _shrink(change, at, solution, census, context)
        else:
            change.shrink_to = _still_asked(change.census, memory)
    looks = [seconds for change in changes for seconds in change.again_in]
    looks += [seconds for group in census for seconds in group.looks]
    held = _held_gangs(solution, census, context.policy)
    return Sizes(
        groups=tuple(
            _group_decision(change, floors.get(at, 0), context, held.get(at, ""))
            for at, change in enumerate(changes)
        ),
        drains=tuple(drain for change in changes for drain in change.drains),
        cancels=tuple(cancel for change in changes for cancel in (*change.over, *change.cancels)),
        next_look=min(looks, default=None),
        rates={change.census.group.name: change.rate for change in changes if change.rate},
        memory=_memory(changes, solution, context),
    )


def _shrink(
    change: Change, at: int, solution: Solution, census: Sequence[Census], context: SizingContext
) -> None:
    bins = [some for some in solution.packing.bins if some.group == at]
    needed = {name for some in bins if some.load for name in some.members} | solution.kept
    drain_idle(change, needed, context)
    hosts = change.census.group.num_of_hosts
    unmade = sum(
        some.size
        for some in bins
        if not some.members and not some.load and some.tier in {Tier.COMING, Tier.BLOCKED}
    )
    missing = min(change.census.missing, unmade // hosts)
    fallback = change.census.group.fallback
    probe = change.census.stuck and any(
        other.replicas for other in census if fallback and other.group.name in fallback.groups
    )
    cancel_unneeded(change, needed, missing, context, probe=probe)


def _still_asked(census: Census, memory: Memory) -> int | None:
    """The size that `replicas` was lowered to, which is kept while Ray's state is unknown."""
    asked = census.group.resized_to
    if asked is None:
        asked = memory.shrink_to.get(census.group.name)
    return asked if asked is not None and asked < census.present else None


def _held_gangs(solution: Solution, census: Sequence[Census], policy: AutoscalingPolicy) -> dict[int, str]:
    """For each group that a gang waits for, what holds it."""
    held: dict[int, str] = {}
    seen: set[tuple[object, ...]] = set()
    for entry in solution.entries:
        if not entry.gang or not entry.lacking:
            continue
        if len(held) == len(census) or entry.skipped:
            continue
        packing, need = solution.packing, entry.lacking
        rooms = entry.rooms or packing.rooms
        if (need.shape, rooms) in seen:
            continue
        seen.add((need.shape, rooms))
        for template in packing.templates:
            if template.index in held or not could_hold(packing.space, need, template):
                continue
            if hold := group_hold(rooms, template, census[template.index], policy):
                held[template.index] = f"a placement group waits for all of its bundles: {hold.message}"
    return held


def _group_decision(change: Change, floor: int, context: SizingContext, held: str) -> GroupDecision:
    census = change.census
    blocked = blocked_hold(census)
    kept = len(census.replicas) - len(change.drains) - sum(bool(cancel.pods) for cancel in change.cancels)
    hosts = census.group.num_of_hosts
    cancelled = {name for cancel in change.cancels for name in cancel.pods}
    not_joined = sum(
        worker.name not in context.joined and worker.name not in cancelled
        for workers in census.replicas.values()
        for worker in workers
    )
    launches = 0 if census.group.withheld else max(0, change.wanted - kept)
    ceiling = ceiling_hold(census, context.policy)
    growth = _growth(change, floor)
    return GroupDecision(
        name=census.group.name,
        # Busy replicas above the maximum stay for now, and are not replaced when they end.
        wanted=min(change.wanted, census.maximum),
        launches=launches,
        pending=not_joined + launches * hosts,
        reason=_reason(change, growth, ceiling, held, known=context.known),
        growth=growth,
        holds=tuple(hold for hold in (change.rate, ceiling) if hold),
        blocked=blocked.message if blocked else "",
        late=census.stuck,
        why_up=_why_up(change, floor),
        why_down=_why_down(change),
    )


def _growth(change: Change, floor: int) -> str:
    """How many more replicas, and what for."""
    if not change.started:
        return ""
    census, group = change.census, change.census.group
    why = [f"work waits for {'it' if change.started == 1 else 'them'}"] if change.started > floor else []
    if floor and (group.resized_to or 0) > census.present:
        why.append(f"replicas is {group.resized_to}")
    elif floor and group.metric_replicas > max(census.present, group.min_replicas):
        why.append(f"a metric asks for {group.metric_replicas}")
    elif floor:
        why.append(f"minReplicas is {group.min_replicas}")
    return f"{words.counted(change.started, 'more replica')}, as {' and '.join(why)}"


def _why_up(change: Change, floor: int) -> SizeReason:
    census, group = change.census, change.census.group
    if change.started > floor:
        return SizeReason.DEMAND
    if not change.started:
        return SizeReason.REPLICAS if (group.resized_to or 0) > group.desired else SizeReason.OTHER
    if (group.resized_to or 0) > census.present:
        return SizeReason.REPLICAS
    metric = group.metric_replicas > max(census.present, group.min_replicas)
    return SizeReason.METRIC if metric else SizeReason.MINIMUM


def _why_down(change: Change) -> SizeReason:
    group = change.census.group
    for removals in (change.over, change.drains, change.cancels):
        if removals:
            return removals[0].why
    if group.resized_to is not None and group.resized_to < group.desired:
        return SizeReason.REPLICAS
    return SizeReason.LIMIT if change.census.maximum < group.desired else SizeReason.OTHER


def _reason(change: Change, growth: str, ceiling: DemandHold | None, held: str, *, known: bool) -> str:
    """The reason for the size, which stays the same while the decision does."""
    census, parts = change.census, [growth] if growth else []
    for group in (change.over, change.drains, change.cancels):
        for why in dict.fromkeys(removal.message for removal in group):
            fewer = sum(removal.message == why for removal in group)
            parts.append(f"{words.counted(fewer, 'fewer replica')}: {why}")
    parts += [hold.message for hold in (change.rate, ceiling) if hold]
    parts += change.waiting
    if not known:
        parts.append("it does not shrink while Ray's state is unknown")
    if census.group.withheld:
        parts.append(census.group.withheld)
    return "; ".join(parts) or held or AS_IT_SHOULD_BE


def _memory(changes: Sequence[Change], solution: Solution, context: SizingContext) -> Memory:
    memory, now = context.memory, context.now
    recommendations, history = remembered(
        context,
        {change.census.group.name: change.recommended for change in changes},
        {change.census.group.name: change.wanted - change.census.present for change in changes},
    )
    return Memory(
        began=memory.began if memory.began is not None else now,
        recommendations=recommendations,
        changes=history,
        blocked_since={
            census.group.name: census.group.refused.since
            for change in changes
            if (census := change.census).group.refused
        },
        unneeded_since={change.census.group.name: change.unneeded for change in changes if change.unneeded},
        shrink_to={
            change.census.group.name: change.shrink_to for change in changes if change.shrink_to is not None
        },
        settled=settle_for(context.grounds, changes, solution) if context.known else memory.settled,
    )
