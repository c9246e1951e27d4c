"""`compute_status`: the fields that we own in a RayCluster's status."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rayfleet.api.base import INT32_MAX
from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import (
    STATE_READY,
    ConditionType,
    HeadStatus,
    RayClusterStatus,
    WorkerGroupStatus,
    recorded,
)
from rayfleet.api.status_model import recorded_number
from rayfleet.engine.conditions import merged, rfc3339
from rayfleet.engine.outcome import Outcome
from rayfleet.engine.statuses import is_reported
from rayfleet.kinds.raycluster.manifests import head_service_name
from rayfleet.kinds.raycluster.ownership import ownership
from rayfleet.kinds.raycluster.plan import Ownership, Plan
from rayfleet.kinds.raycluster.plan.units import last_index
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status.assessment import assess
from rayfleet.kinds.raycluster.status.capacity import desired_capacity
from rayfleet.kinds.raycluster.status.cuts import within_limit
from rayfleet.kinds.raycluster.status.held import held_groups
from rayfleet.kinds.raycluster.status.scaling import autoscaler_status, is_queue_news
from rayfleet.kinds.raycluster.status.unknown_fields import unknown_fields
from rayfleet.kube.objects.pods import Pod


def compute_status(snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The status to store, given a snapshot taken after the plan was carried out.

    Fields that are not ours stay as they are. Nothing in it changes unless something happened.
    """
    cluster, before = snapshot.cluster, snapshot.recorded
    whose = ownership(cluster, snapshot.other_operator)
    if whose is Ownership.OTHERS or cluster.deleting:
        return dict(before.wire)
    conditions = assess(snapshot, plan, outcomes)
    # While another operator is alive, it writes the conditions that we share with it.
    ours = set(ConditionType) if whose is Ownership.OURS else {ConditionType.MANAGED}
    stored = merged(before.conditions, conditions, ours, cluster.generation, snapshot.now)
    after, parts = before, [RayClusterStatus(conditions=stored)]
    if whose is Ownership.OURS:
        parts += [RayClusterStatus(observed_generation=cluster.generation), *_head(snapshot, plan)]
        if snapshot.spec is not None:
            after = before.without("unknown_fields", "autoscaler")
            parts += [_sizes(snapshot, snapshot.spec, plan), desired_capacity(snapshot, snapshot.spec, plan)]
            if unknown := unknown_fields(snapshot, outcomes):
                parts.append(RayClusterStatus(unknown_fields=unknown))
            if plan.decision is not None:
                parts.append(RayClusterStatus(autoscaler=autoscaler_status(snapshot, plan.decision)))
        if before.state != STATE_READY and parts[0].holds(ConditionType.PROVISIONED):
            times = {**before.state_transition_times, STATE_READY: rfc3339(snapshot.now)}
            parts.append(RayClusterStatus(state=STATE_READY, state_transition_times=times))
    after = within_limit(after.updated(parts), frozenset(ours))
    if after.wire != before.wire:
        after |= RayClusterStatus(last_update_time=rfc3339(snapshot.now))
    return dict(after.wire)


def _head(snapshot: Snapshot, plan: Plan) -> Iterator[RayClusterStatus]:
    heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD and not pod.ended]
    before = snapshot.recorded
    if plan.head_epoch is not None and (heads or before.has("head_epoch")):
        # A planned epoch whose write was lost to another writer must not be recorded.
        epoch = max([recorded_number(pod.head_epoch) or 0 for pod in heads], default=0)
        yield RayClusterStatus(head_epoch=max(epoch, before.head_epoch or 0))
    head = before.head
    if heads:
        newest = max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created))
        head |= HeadStatus(pod_name=newest.name, pod_ip=newest.pod_ip)
    if snapshot.spec is not None:
        name = head_service_name(snapshot.cluster, snapshot.spec)
        service = next((s for s in snapshot.services if s.name == name), None)
        if service is not None:
            headless = service.cluster_ip in {"", "None"}
            address = head.pod_ip if headless else service.cluster_ip
            head |= HeadStatus(service_name=service.name, service_ip=address)
            yield RayClusterStatus(endpoints={port: target for port, target in service.ports if port})
    if head:
        yield RayClusterStatus(head=head)


def _sizes(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> RayClusterStatus:
    workers = [pod for pod in snapshot.pods if pod.node_type == NodeType.WORKER and pod.active]
    groups = [group for group in spec.worker_group_specs if not group.suspend]
    return RayClusterStatus(
        desired_worker_replicas=_int32(sum(map(plan.pods, groups))),
        min_worker_replicas=_int32(sum(g.min_replicas * g.num_of_hosts for g in groups)),
        max_worker_replicas=_int32(sum(g.max_replicas * g.num_of_hosts for g in groups)),
        available_worker_replicas=len(workers),
        ready_worker_replicas=sum(pod.ready for pod in workers),
        worker_groups=tuple(_groups(snapshot, spec, plan)),
    )


def _groups(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> Iterator[WorkerGroupStatus]:
    by_group = dict[str, list[Pod]]()
    for pod in snapshot.pods:
        if pod.node_type == NodeType.WORKER:
            by_group.setdefault(pod.group, []).append(pod)
    held = held_groups(snapshot, spec, plan)
    for group in spec.worker_group_specs:
        pods = by_group.get(group.group_name, [])
        active = [pod for pod in pods if pod.active]
        entry = WorkerGroupStatus(
            group_name=group.group_name,
            desired=_int32(plan.pods(group)),
            observed_replicas=group.replicas,
            replicas=len(active),
            ready=sum(pod.ready for pod in active),
            pending=sum(pod.phase == "Pending" for pod in active),
            last_index=last_index(snapshot, group, pods),
        )
        if plan.withheld:  # The next decision starts from the recorded sizes.
            entry |= snapshot.recorded.group(group.group_name).only("desired", "observed_replicas")
        if group.group_name in held:
            entry |= held[group.group_name]
        yield entry


def _int32(count: int) -> int:
    """Clamp to 32 bits, the width of the field: the product of two such fields may exceed it."""
    return min(count, INT32_MAX)


_NEWS: Final[Mapping[str, str]] = {
    ConditionType.READY: "True",
    ConditionType.PROVISIONED: "True",
    ConditionType.REPLICA_FAILURE: "True",
    ConditionType.VALID: "False",
    ConditionType.MANAGED: "False",
    ConditionType.SUPPORTED: "False",
}
"""Condition values that somebody may wait for, or should know about."""


def is_urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the difference must be written at once, because a wait ends or there is trouble.

    Counts may wait, so that ten pods that become ready together cause one write; so may a first status that
    reports no trouble.
    """
    is_first, was, now = not is_reported(before), recorded(before), recorded(after)
    if was.state != now.state or _news(was) != _news(now):
        return True
    if not is_first and (was.head_epoch, was.observed_generation) != (
        now.head_epoch,
        now.observed_generation,
    ):
        return True
    if is_queue_news(was, now):
        return True
    return not is_first and _is_settled(now) and not _is_settled(was)


def _is_settled(status: RayClusterStatus) -> bool:
    """As many workers as wanted, all of them ready: no later write is expected."""
    wanted = status.desired_worker_replicas
    return wanted == status.available_worker_replicas == status.ready_worker_replicas


def _news(status: RayClusterStatus) -> set[tuple[str, str]]:
    """Facts that somebody may wait for: conditions, why demand is held back, sizes of groups."""
    news = {
        (entry.type, "") for entry in status.conditions if entry.status == _NEWS.get(entry.type, "neither")
    }
    if not status.autoscaler:
        return news
    held = {("held", entry.message) for entry in status.autoscaler.unserved}
    return news | held | {("size", f"{group.group_name} {group.desired}") for group in status.worker_groups}
