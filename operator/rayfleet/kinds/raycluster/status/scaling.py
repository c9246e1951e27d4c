"""What is told of scaling: `status.autoscaler`, the condition, and the events of its steps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rayfleet.autoscaling import AS_IT_SHOULD_BE, Decision, DemandAnswer, words
from rayfleet.engine.outcome import Outcome, Refused
from rayfleet.kinds.raycluster.plan import DrainNode, Plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status.conditions import Condition, ConditionType, rfc3339
from rayfleet.kinds.raycluster.status.cuts import cut
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.ray.state import Resources

MOST_UNSERVED: Final = 20
"""Entries of demand that are told of; the summary says how many more there are."""
LONGEST: Final = 512
"""Characters of a message."""
STEADY_SECONDS: Final = 10.0
"""A queue that was unknown for less is no news when it is known again: a head may come and go each second."""


def autoscaler_status(snapshot: Snapshot, decision: Decision) -> dict[str, Any]:
    """`status.autoscaler`: the last decision in words. It changes only with the decision.

    No counts of tasks and no idle times are in it, which move with every look at the queue.
    """
    ray = snapshot.scaling.ray
    queue: dict[str, Any] = {"known": decision.known}
    if not decision.known:
        queue["message"] = cut(ray.trouble or "the head has not answered yet", LONGEST)
        if ray.since is not None:
            queue["since"] = rfc3339(ray.since)
    status: dict[str, Any] = {"summary": cut(decision.summary, LONGEST), "queue": queue}
    unserved = [_unserved(answer) for answer in _waiting(decision)]
    if unserved:
        status["unserved"] = unserved
    faults = [str(fault) for wish in snapshot.scaling.wishes for fault in wish.faults]
    faults += snapshot.scaling.namespace_ceilings.faults
    if faults:
        status["faults"] = [cut(fault, LONGEST) for fault in faults[:MOST_UNSERVED]]
    return status


def autoscaling_condition(snapshot: Snapshot, plan: Plan) -> Condition | None:
    """Whether the queue is known and served; none where the cluster does not scale with it."""
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


def is_queue_news(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the queue of a cluster is lost, or found again; not that a new operator has yet to ask.

    Of a head that comes and goes, the loss is told at once and its return with the next write that may wait:
    two writes in ten seconds at most.
    """
    was, now = _queue(before), _queue(after)
    if was.get("known") is True and now.get("known") is False:
        return "since" in now
    if was.get("known") is False and now.get("known") is True:
        # A head that starts is found with the first of its pods to be ready.
        return before.get("state") == after.get("state") == "ready" and _lasted(was, after) >= STEADY_SECONDS
    return False


def _lasted(queue: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Seconds from when a queue was lost up to a status."""
    try:
        return unix_seconds(after["lastUpdateTime"]) - unix_seconds(queue["since"])
    except (KeyError, TypeError, ValueError):  # Somebody else wrote it.
        return 0.0


def _queue(status: Mapping[str, Any]) -> Mapping[str, Any]:
    autoscaler = status.get("autoscaler")
    queue = autoscaler.get("queue") if isinstance(autoscaler, Mapping) else None
    return queue if isinstance(queue, Mapping) else {}


def scaling_events(
    plan: Plan, outcomes: Sequence[Outcome], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    """(type, reason, action, note) of each step that was decided, and of demand that is not served."""
    if plan.decision is None:
        return
    sizes = {name: size for name, size in _sizes(before) if isinstance(size, int)}
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
    told = {entry.get("message") for entry in _entries(before)}
    for entry in _entries(after):
        if entry.get("message") not in told:
            yield "Warning", "DemandHeld", "Scale", f"{_who_waits(entry)}: {entry.get('message')}"


def _waiting(decision: Decision) -> list[DemandAnswer]:
    return [answer for answer in decision.answers if answer.holds][:MOST_UNSERVED]


def _unserved(answer: DemandAnswer) -> dict[str, Any]:
    asked = answer.shape.resources
    said = [hold.words for hold in answer.holds]
    if len(asked) > words.MOST_NAMES:
        said.append(f"{words.counted(len(asked) - words.MOST_NAMES, 'more resource')} asked for")
    return {
        "kind": str(answer.kind),
        "resources": noted_resources(asked),
        "reason": str(answer.holds[0].kind),
        "message": cut("; ".join(said), LONGEST),
    }


def noted_resources(asked: Resources) -> dict[str, str]:
    """Amounts as the status writes them: the first few, by names that are cut."""
    return {words.named(name): f"{amount:.10g}" for name, amount in asked[: words.MOST_NAMES]}


def _who_waits(entry: Mapping[str, Any]) -> str:
    """`tasks: 1 GPU waits`, `tasks: 2 GPUs wait`."""
    shape = entry.get("resources")
    try:
        asked = [(str(name), float(of)) for name, of in (shape if isinstance(shape, Mapping) else {}).items()]
    except (TypeError, ValueError):  # Somebody else wrote it.
        asked = []
    said = words.resources(asked) if asked else "work"
    several = len(asked) > 1 or any(amount > 1 for _, amount in asked)
    return f"{entry.get('kind')}: {said} {'wait' if several else 'waits'}"


def _sizes(status: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for entry in status.get("workerGroups") or ():
        yield str(entry.get("groupName")), entry.get("desired")


def _entries(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    autoscaler = status.get("autoscaler")
    entries = autoscaler.get("unserved") if isinstance(autoscaler, Mapping) else None
    return [entry for entry in entries or () if isinstance(entry, Mapping)]
