"""Reports on scaling: `status.autoscaler`, the condition, and the events."""

from collections.abc import Iterator, Sequence
from typing import Final

from rayfleet.api.raycluster.status import (
    STATE_READY,
    AutoscalerStatus,
    ConditionType,
    QueueStatus,
    RayClusterStatus,
    UnservedDemand,
)
from rayfleet.autoscaling import AS_IT_SHOULD_BE, Decision, DemandAnswer, words
from rayfleet.autoscaling.words import cut
from rayfleet.engine.conditions import Condition, rfc3339
from rayfleet.engine.outcome import Outcome, Refused
from rayfleet.kinds.raycluster.plan import DrainNode, Plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.ray.state import Resources

MOST_UNSERVED: Final = 20
"""Most entries of demand that are listed; the summary counts the rest."""
LONGEST: Final = 512
"""Characters of a message."""
STEADY_SECONDS: Final = 10.0
"""A queue that was unknown for less time is not news when it is known again: heads may flap every second."""


def autoscaler_status(snapshot: Snapshot, decision: Decision) -> AutoscalerStatus:
    """`status.autoscaler`: the last decision as a message. It changes only with the decision.

    It holds no task counts and no idle times, which change with every poll of the queue.
    """
    ray = snapshot.scaling.ray
    queue = QueueStatus(known=decision.known)
    if not decision.known:
        trouble = cut(ray.trouble or "the head has not answered yet", LONGEST)
        since = None if ray.since is None else rfc3339(ray.since)
        queue |= QueueStatus(message=trouble, since=since)
    status = AutoscalerStatus(summary=cut(decision.summary, LONGEST), queue=queue)
    unserved = tuple(_unserved(answer) for answer in _waiting(decision))
    if unserved:
        status |= AutoscalerStatus(unserved=unserved)
    faults = [str(fault) for each in snapshot.scaling.metric_replicas for fault in each.faults]
    faults += snapshot.scaling.namespace_ceilings.faults
    if faults:
        status |= AutoscalerStatus(faults=tuple(cut(fault, LONGEST) for fault in faults[:MOST_UNSERVED]))
    return status


def autoscaling_condition(snapshot: Snapshot, plan: Plan) -> Condition | None:
    """Whether the queue is known and served; None if the cluster does not scale with it."""
    decision = plan.decision
    if decision is None:
        return None
    if not decision.known:
        trouble = snapshot.scaling.ray.trouble or "the head has not answered yet"
        return Condition(ConditionType.AUTOSCALING, False, "QueueUnknown", f"{trouble}; nothing shrinks")
    if _waiting(decision):
        return Condition(ConditionType.AUTOSCALING, False, "DemandHeld", decision.summary)
    growing = any(group.launches for group in decision.groups)
    shrinking = bool(decision.drains or decision.cancels)
    reason = "ScalingUp" if growing else "ScalingDown" if shrinking else "AsWanted"
    return Condition(ConditionType.AUTOSCALING, True, reason, decision.summary)


def is_queue_news(before: RayClusterStatus, after: RayClusterStatus) -> bool:
    """Whether the queue was lost or is known again; not merely that a new operator has yet to ask.

    For a head that comes and goes, the loss is reported at once and the return with the next write that may
    wait: at most two writes in ten seconds.
    """
    was, now = before.autoscaler.queue, after.autoscaler.queue
    if was.known is True and now.known is False:
        return now.since is not None
    if was.known is False and now.known is True:
        # A head that starts is found with the first of its pods to be ready.
        return before.state == after.state == STATE_READY and _lasted(was, after) >= STEADY_SECONDS
    return False


def _lasted(queue: QueueStatus, after: RayClusterStatus) -> float:
    """Seconds from the loss of a queue to a status."""
    if queue.since is None or after.last_update_time is None:
        return 0.0
    return unix_seconds(after.last_update_time) - unix_seconds(queue.since)


def scaling_events(
    plan: Plan, outcomes: Sequence[Outcome], before: RayClusterStatus, after: RayClusterStatus
) -> Iterator[tuple[str, str, str, str]]:
    """(type, reason, action, note) of each decided step, and of demand that is not served."""
    if plan.decision is None:
        return
    sizes = dict(_sizes(before))
    for name, size in _sizes(after):
        if name in sizes and size != sizes[name]:
            reason = "ScalingUp" if size > sizes[name] else "ScalingDown"
            group = plan.decision.group(name)
            why = group.growth or ("" if group.reason == AS_IT_SHOULD_BE else group.reason)
            step = f"Group {name}: {sizes[name]} -> {words.counted(size, 'pod')}"
            yield "Normal", reason, "Scale", f"{step}: {why}" if why else step
    for outcome in outcomes:
        if isinstance(outcome, Refused) and isinstance(outcome.action, DrainNode):
            note = f"Ray keeps the node of pod {outcome.action.pod}: {outcome.message}"
            yield "Normal", "DrainRefused", "Drain", note
    known = {entry.message for entry in before.autoscaler.unserved}
    for entry in after.autoscaler.unserved:
        if entry.message not in known:
            yield "Warning", "DemandHeld", "Scale", f"{_who_waits(entry)}: {entry.message}"


def _waiting(decision: Decision) -> list[DemandAnswer]:
    return [answer for answer in decision.answers if answer.holds][:MOST_UNSERVED]


def _unserved(answer: DemandAnswer) -> UnservedDemand:
    requested = answer.shape.resources
    parts = [hold.message for hold in answer.holds]
    if len(requested) > words.MOST_NAMES:
        parts.append(f"{words.counted(len(requested) - words.MOST_NAMES, 'more resource')} requested")
    return UnservedDemand(
        kind=str(answer.kind),
        resources=noted_resources(requested),
        reason=str(answer.holds[0].kind),
        message=cut("; ".join(parts), LONGEST),
    )


def noted_resources(asked: Resources) -> dict[str, str]:
    """Amounts as the status has them: the first few, with names cut."""
    return {words.named(name): f"{amount:.10g}" for name, amount in asked[: words.MOST_NAMES]}


def _who_waits(entry: UnservedDemand) -> str:
    """`tasks: 1 GPU waits`, `tasks: 2 GPUs wait`."""
    try:
        asked = [(name, float(amount)) for name, amount in entry.resources.items()]
    except ValueError:  # Somebody else wrote it.
        asked = []
    what = words.resources(asked) if asked else "work"
    several = len(asked) > 1 or any(amount > 1 for _, amount in asked)
    return f"{entry.kind}: {what} {'wait' if several else 'waits'}"


def _sizes(status: RayClusterStatus) -> Iterator[tuple[str, int]]:
    for group in status.worker_groups:
        if group.desired is not None:
            yield group.group_name, group.desired
