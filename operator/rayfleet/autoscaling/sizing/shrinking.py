"""Which replicas go: idle ones past their timeout, and blocked ones that nothing needs."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from rayfleet.autoscaling.decision import IdleNode, ReplicaCancel, ReplicaDrain, SizeReason
from rayfleet.autoscaling.inputs import Worker
from rayfleet.autoscaling.sizing.census import Census
from rayfleet.autoscaling.sizing.changes import Change
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.sizing.idle import IdleReplica, idle_replicas, partly_joined
from rayfleet.autoscaling.sizing.rates import rate_limited
from rayfleet.autoscaling.sizing.surplus import removable
from rayfleet.ray.state import NodeStatus, RayNode


def cancel_surplus(change: Change) -> None:
    """Cancel replicas above a lowered maximum that have not joined, whether or not Ray's state is known."""
    census = change.census
    reason = f"{census.group.name} is above its max of {census.maximum}"
    change.over += [
        ReplicaCancel(census.group.name, pods, reason, SizeReason.LIMIT) for pods in census.surplus
    ]


def drain_idle(change: Change, needed: AbstractSet[str], context: SizingContext) -> None:
    """Choose what to drain: at once what is above max or a lowered `replicas`, the rest by its timeout."""
    census, joined = change.census, context.joined
    group = census.group
    over_max = max(0, len(census.replicas) - census.maximum)
    if over_max:
        idle = idle_replicas(census, joined, frozenset())
        reason = f"{group.name} is above its max of {census.maximum}"
        parts = partly_joined(census, joined)
        _drain(change, [*parts, *idle.due, *idle.surplus][:over_max], joined, reason, SizeReason.LIMIT)
        if len(change.drains) < over_max:
            change.waiting.append(f"above its max of {census.maximum}: busy replicas go when they are idle")
    idle = idle_replicas(census, joined, needed)
    gone = {drain.replica for drain in change.drains}
    due = [replica for replica in idle.due if replica.name not in gone]
    surplus = [replica for replica in idle.surplus if replica.name not in gone]
    _shrink_as_asked(change, [*due, *surplus], needed, context)
    gone = {drain.replica for drain in change.drains}
    due = [replica for replica in due if replica.name not in gone]
    spare = max(0, change.wanted - census.floor)
    going = len(change.drains) + len(change.cancels)
    change.recommended = census.present + change.asked - going - min(spare, len(due))
    asked = min(spare, len(due))
    limited = rate_limited(group, context, size=change.wanted, asked=asked, up=False)
    if limited.replicas < asked:
        change.waiting.append(limited.message)
        if limited.again_in is not None:
            change.again_in.append(limited.again_in)
    reason = f"idle for its timeout of {group.idle_timeout_seconds:g} s"
    _drain(change, due[: limited.replicas], joined, reason, SizeReason.IDLE)
    if spare > len(due) and idle.next_in is not None:
        change.again_in.append(idle.next_in)


def _shrink_as_asked(
    change: Change, idle: list[IdleReplica], needed: AbstractSet[str], context: SizingContext
) -> None:
    """A lowered `replicas` removes what has not joined or is idle at once, and what is busy once idle."""
    census = change.census
    group = census.group
    remembered = context.memory.shrink_to.get(group.name)
    asked = group.resized_to if group.resized_to is not None else remembered
    if asked is None or change.started or census.present <= max(asked, census.floor):
        return
    asked = max(asked, census.floor)
    reason = f"replicas of {group.name} was lowered to {asked}"
    unneeded = {name: pods for name, pods in census.replicas.items() if not _is_needed(pods, needed)}
    coming, looks = removable(unneeded, census.late, context)
    change.again_in += looks
    for name in coming[: max(0, change.wanted - asked)]:
        pods = tuple(worker.name for worker in census.replicas[name])
        change.cancels.append(ReplicaCancel(group.name, pods, reason, SizeReason.REPLICAS))
    _drain(change, idle[: max(0, change.wanted - asked)], context.joined, reason, SizeReason.REPLICAS)
    if change.wanted > asked:
        change.shrink_to = asked
        change.waiting.append(f"replicas was lowered to {asked}: the others go when they are idle")


def _drain(
    change: Change,
    replicas: list[IdleReplica],
    joined: Mapping[str, RayNode],
    reason: str,
    why: SizeReason,
) -> None:
    for replica in replicas:
        nodes = tuple(IdleNode(w.name, joined[w.name].node_id) for w in replica.workers if w.name in joined)
        change.drains.append(ReplicaDrain(change.census.group.name, replica.name, nodes, reason, why))


def cancel_unneeded(
    change: Change, needed: AbstractSet[str], unneeded_missing: int, context: SizingContext, *, probe: bool
) -> None:
    """Cancel what is blocked and has not been needed for as long as an idle node may stay.

    A pod that is starting is left alone, unless it is late. `probe`: keep one blocked pod, to see when there
    is room again.
    """
    census, now = change.census, context.now
    group = census.group
    cancelled = {name for cancel in change.cancels for name in cancel.pods}
    waiting = _blocked_replicas(census, context.joined, needed | cancelled)
    spare = max(0, change.wanted - census.floor)
    possible = min(spare, unneeded_missing + max(0, len(waiting) - int(probe)))
    since = [*context.memory.unneeded_since.get(group.name, ())[:possible]]
    since += [now] * (possible - len(since))
    timeout = group.idle_timeout_seconds
    count = sum(now - start >= timeout for start in since)
    reason = f"not started, and not needed for {timeout:g} s"
    unmade = min(count, unneeded_missing)
    gone = [()] * unmade + waiting[: count - unmade]
    change.cancels += [ReplicaCancel(group.name, pods, reason, SizeReason.UNNEEDED) for pods in gone]
    change.recommended -= count
    change.unneeded = tuple(since[count:])
    if change.unneeded:
        change.again_in.append(max(0.0, timeout - (now - change.unneeded[0])))


def _blocked_replicas(
    census: Census, joined: Mapping[str, RayNode], needed: AbstractSet[str]
) -> list[tuple[str, ...]]:
    """Replicas that are blocked and not needed, newest first, without those that have a working host."""
    blocked = [
        (-min(worker.since for worker in workers), tuple(worker.name for worker in workers))
        for replica, workers in census.replicas.items()
        if any(_is_blocked(worker, late=replica in census.late) for worker in workers)
        and not _is_needed(workers, needed)
        and not any(_works(joined.get(worker.name)) for worker in workers)
    ]
    return [names for _, names in sorted(blocked)]


def _is_needed(workers: Sequence[Worker], needed: AbstractSet[str]) -> bool:
    return any(worker.name in needed for worker in workers)


def _is_blocked(worker: Worker, *, late: bool) -> bool:
    return worker.blocked is not None and (late or not worker.blocked.is_starting)


def _works(node: RayNode | None) -> bool:
    return node is not None and node.status is not NodeStatus.IDLE
