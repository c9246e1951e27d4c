"""`compute_status`: the fields that we own in a RayCluster's status."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rayfleet.api.base import INT32_MAX
from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.engine.outcome import Outcome
from rayfleet.engine.statuses import is_told
from rayfleet.kinds.raycluster.manifests import head_service_name
from rayfleet.kinds.raycluster.ownership import ownership
from rayfleet.kinds.raycluster.plan import Ownership, Plan
from rayfleet.kinds.raycluster.plan.units import last_index, recorded_group
from rayfleet.kinds.raycluster.snapshot import Snapshot, recorded_number
from rayfleet.kinds.raycluster.status.assessment import assess
from rayfleet.kinds.raycluster.status.capacity import desired_capacity
from rayfleet.kinds.raycluster.status.conditions import (
    ConditionType,
    holds,
    is_time,
    merged,
    rfc3339,
    stored_conditions,
)
from rayfleet.kinds.raycluster.status.cuts import within_limit
from rayfleet.kinds.raycluster.status.scaling import autoscaler_status, is_queue_news
from rayfleet.kinds.raycluster.status.unknown_fields import unknown_fields
from rayfleet.kube.objects.pods import Pod

STATE_READY = "ready"
_MEMORY: Final = ("desired", "observedReplicas")
"""Of a group: what was last acted on."""


def compute_status(snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The status as it should be stored, given a snapshot taken after the plan was carried out.

    Fields that are not ours stay as they are. Nothing in it moves unless something happened.
    """
    cluster = snapshot.cluster
    before = cluster.status
    whose = ownership(cluster, snapshot.other_operator)
    if whose is Ownership.OTHERS or cluster.deleting:
        return dict(before)
    conditions = assess(snapshot, plan, outcomes)
    after = dict(before)
    # While another operator is alive, the conditions that we share with it are its to write.
    ours = set(ConditionType) if whose is Ownership.OURS else {ConditionType.MANAGED}
    stored = stored_conditions(before)
    after["conditions"] = merged(stored, conditions, ours, cluster.generation, snapshot.now)
    if whose is Ownership.OURS:
        after["observedGeneration"] = cluster.generation
        after |= _head(snapshot, plan)
        if snapshot.spec is not None:
            after |= _sizes(snapshot, snapshot.spec, plan)
            after |= _groups(snapshot, snapshot.spec, plan)
            after |= desired_capacity(snapshot.spec, plan)
            after.pop("unknownFields", None)
            if unknown := unknown_fields(snapshot, outcomes):
                after["unknownFields"] = unknown
            after.pop("autoscaler", None)
            if plan.decision is not None:
                after["autoscaler"] = autoscaler_status(snapshot, plan.decision)
        if holds(after, ConditionType.PROVISIONED) and before.get("state") != STATE_READY:
            after["state"] = STATE_READY
            times = before.get("stateTransitionTimes")
            after["stateTransitionTimes"] = {
                **{
                    name: at
                    for name, at in (times if isinstance(times, Mapping) else {}).items()
                    if is_time(at)
                },
                STATE_READY: rfc3339(snapshot.now),
            }
    after = within_limit(after, frozenset(ours))
    if after != before:
        after["lastUpdateTime"] = rfc3339(snapshot.now)
    return after


def _head(snapshot: Snapshot, plan: Plan) -> dict[str, Any]:
    heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD and not pod.ended]
    fields: dict[str, Any] = {}
    status = snapshot.cluster.status
    if plan.head_epoch is not None and (heads or "headEpoch" in status):
        # An epoch that was planned but not won is not ours to record.
        epoch = max([recorded_number(pod.head_epoch) for pod in heads], default=0)
        fields["headEpoch"] = max(epoch, recorded_number(status.get("headEpoch")))
    head = dict(snapshot.cluster.status.get("head") or {})
    if heads:
        newest = max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created))
        head |= {"podName": newest.name, "podIP": newest.pod_ip}
    if snapshot.spec is not None:
        name = head_service_name(snapshot.cluster, snapshot.spec)
        service = next((s for s in snapshot.services if s.name == name), None)
        if service is not None:
            headless = service.cluster_ip in {"", "None"}
            head["serviceName"] = service.name
            head["serviceIP"] = head.get("podIP", "") if headless else service.cluster_ip
            fields["endpoints"] = {port: target for port, target in service.ports if port}
    if head:
        fields["head"] = head
    return fields


def _sizes(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> dict[str, Any]:
    workers = [pod for pod in snapshot.pods if pod.node_type == NodeType.WORKER and pod.active]
    groups = [group for group in spec.worker_group_specs if not group.suspend]
    return {
        "desiredWorkerReplicas": _int32(sum(map(plan.pods, groups))),
        "minWorkerReplicas": _int32(sum(g.min_replicas * g.num_of_hosts for g in groups)),
        "maxWorkerReplicas": _int32(sum(g.max_replicas * g.num_of_hosts for g in groups)),
        "availableWorkerReplicas": len(workers),
        "readyWorkerReplicas": sum(pod.ready for pod in workers),
    }


def _groups(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> dict[str, Any]:
    by_group = dict[str, list[Pod]]()
    for pod in snapshot.pods:
        if pod.node_type == NodeType.WORKER:
            by_group.setdefault(pod.group, []).append(pod)
    entries = []
    for group in spec.worker_group_specs:
        pods = by_group.get(group.group_name, [])
        active = [pod for pod in pods if pod.active]
        entry = {
            "groupName": group.group_name,
            "desired": _int32(plan.pods(group)),
            "observedReplicas": group.replicas,
            "replicas": len(active),
            "ready": sum(pod.ready for pod in active),
            "pending": sum(pod.phase == "Pending" for pod in active),
        }
        if plan.withheld:  # Sizes are what the next decision goes on from.
            stored = recorded_group(snapshot.cluster, group.group_name)
            entry |= {name: stored[name] for name in _MEMORY if name in stored}
        entry["lastIndex"] = last_index(snapshot.cluster, group, pods)
        entries.append(entry)
    return {"workerGroups": entries}


def _int32(count: int) -> int:
    """The fields are 32 bits wide, and a product of two such fields need not fit."""
    return min(count, INT32_MAX)


_NEWS: Final = {
    ConditionType.READY: "True",
    ConditionType.PROVISIONED: "True",
    ConditionType.REPLICA_FAILURE: "True",
    ConditionType.VALID: "False",
    ConditionType.MANAGED: "False",
    ConditionType.SUPPORTED: "False",
}
"""What somebody may wait for, or should know of."""


def is_urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the difference must be written at once: an end of waiting, or trouble.

    Counts may wait, so that ten pods that become ready together make one write; and so may a first status
    that says no more than that all is well so far.
    """
    is_first = not is_told(before)
    names = ("state",) if is_first else ("state", "headEpoch", "observedGeneration")
    if any(before.get(name) != after.get(name) for name in names) or _news(before) != _news(after):
        return True
    if is_queue_news(before, after):
        return True
    return not is_first and _is_settled(after) and not _is_settled(before)


def _is_settled(status: Mapping[str, Any]) -> bool:
    """As many workers as wanted, all of them ready: nothing moves that a later write could tell of."""
    wanted = status.get("desiredWorkerReplicas")
    return wanted == status.get("availableWorkerReplicas") == status.get("readyWorkerReplicas")


def _news(status: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What is true that somebody may wait for: conditions, why demand is held, sizes of groups."""
    news = {
        (entry["type"], "")
        for entry in stored_conditions(status)
        if entry.get("status") == _NEWS.get(entry.get("type", ""), "neither")
    }
    autoscaler = status.get("autoscaler")
    if not isinstance(autoscaler, Mapping):
        return news
    held = autoscaler.get("unserved")
    sizes = status.get("workerGroups") or ()
    return (
        news
        | {("held", str(entry.get("message"))) for entry in held or ()}
        | {("size", f"{entry.get('groupName')} {entry.get('desired')}") for entry in sizes}
    )
