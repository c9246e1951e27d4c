"""The metric series of clusters and their worker groups as lines of text, built from the caches.

1,000 clusters are some 14,000 series: as objects of a client library they would block the event loop for a
tenth of a second. As lines they cost some 25 µs per cluster, and the writer can pause between any two.
"""

from collections.abc import Container, Iterable, Iterator
from itertools import islice

from msgspec import Struct

from rayfleet.api.condition import StatusCondition
from rayfleet.api.names import Label, NodeType
from rayfleet.api.raycluster.status import (
    ConditionType,
    HeldReason,
    RayClusterStatus,
    recorded,
)
from rayfleet.fleet.gpu_seconds import GpuUse
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kube.cache import Glance
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.ray.state import NodeStatus, RayState
from rayfleet.telemetry.metrics import cluster_definitions as definitions
from rayfleet.telemetry.metrics.lines import Line, escaped, line

_OURS = frozenset(ConditionType)
_HELD = frozenset(HeldReason)
_OWNERS = frozenset({"RayJob", "RayService"})
"""The kinds of owners that are shown: users may set the label to anything."""


class _Sizes(Struct):
    """Pods of one worker group."""

    running: int = 0
    pending: int = 0
    ready: int = 0
    draining: int = 0


def cluster_lines(cluster: Glance, pods: Iterable[Pod], accounts: ClusterAccounts) -> Iterator[Line]:
    """Every series of one cluster. `pods` may include those of an earlier cluster of the same name."""
    place = f'name="{cluster.key.name}",namespace="{cluster.key.namespace}"'
    identity = f'{place},uid="{cluster.uid}"'
    kind = cluster.labels.get(Label.ORIGINATED_FROM_CRD)
    owner = f'owner_kind="{kind if kind in _OWNERS else "None"}"'
    yield line(definitions.CLUSTER_INFO, f"{identity},{owner}", 1)
    provisioned, contested, status = False, False, recorded(cluster.status)
    for condition in _conditions(status):
        kind, holds, reason = condition.type, condition.holds, escaped(condition.reason)
        yield line(
            definitions.CLUSTER_CONDITION, f'{place},condition="{kind}",reason="{reason}"', 1 if holds else 0
        )
        if kind == ConditionType.PROVISIONED and holds:
            provisioned = True
            since = unix_seconds(condition.last_transition_time)
            if since and cluster.created:
                took = max(since - cluster.created, 0.0)
                yield line(definitions.CLUSTER_PROVISIONED_DURATION, identity, took)
        contested |= kind == ConditionType.MANAGED
    value = "true" if provisioned else "false"
    yield line(definitions.CLUSTER_PROVISIONED, f'{identity},condition="{value}"', 1)
    own = [pod for pod in pods if pod.owner is not None and pod.owner.uid == cluster.uid]
    # While another operator acts on it, nobody asks its head.
    state = None if contested else accounts.state(cluster.key, cluster.uid)
    yield from _gpu_lines(f"{place},{owner}", accounts.gpu_seconds(cluster.key, cluster.uid, own, state))
    waiting = None if contested else accounts.scaling.waiting(cluster.key, cluster.uid)
    if waiting is not None:
        yield line(definitions.CLUSTER_WAITING, f'{place},reason="{waiting.reason}"', waiting.requests)
    yield from _group_lines(place, status, own, state)


def _gpu_lines(labels: str, seconds: GpuUse) -> Iterator[Line]:
    for state, value in zip(GpuUse._fields, seconds, strict=True):
        if value is not None:
            yield line(definitions.CLUSTER_GPU_SECONDS, f'{labels},state="{state}"', value)


def _group_lines(
    place: str, status: RayClusterStatus, pods: Iterable[Pod], state: RayState | None
) -> Iterator[Line]:
    desired, held = dict[str, int](), dict[str, str]()
    for group in islice(status.worker_groups, definitions.GROUPS_SHOWN):
        if group.group_name and group.desired is not None:
            desired[group.group_name] = group.desired
        if group.group_name and group.reason in _HELD:
            held[group.group_name] = group.reason
    sizes = {group: _Sizes() for group in desired}
    draining = _draining(state)
    for pod in pods:
        if pod.node_type == NodeType.WORKER:
            size = sizes.get(pod.group)
            if size is None:
                continue  # Users may label pods with any number of groups.
            if pod.active:
                size.running += pod.phase == "Running"
                size.pending += pod.phase == "Pending"
                size.ready += pod.ready
            size.draining += pod.holds_devices and (pod.deleting or pod.name in draining)
    for name, size in sizes.items():
        labels = f'{place},group="{escaped(name)}"'
        yield line(definitions.GROUP_DESIRED, labels, desired[name])
        yield line(definitions.GROUP_RUNNING, labels, size.running)
        yield line(definitions.GROUP_PENDING, labels, size.pending)
        yield line(definitions.GROUP_READY, labels, size.ready)
        yield line(definitions.GROUP_DRAINING, labels, size.draining)
        if name in held:
            yield line(definitions.GROUP_HELD, f'{labels},reason="{held[name]}"', 1)


def _draining(state: RayState | None) -> Container[str]:
    """The names of pods whose node Ray drains."""
    if state is None:
        return ()
    return {node.instance_id for node in state.nodes if node.status is NodeStatus.DRAINING}


def _conditions(status: RayClusterStatus) -> Iterator[StatusCondition]:
    """The conditions that this operator writes, each once."""
    seen = set()
    for condition in status.conditions:
        kind = condition.type
        if kind in _OURS and kind not in seen:
            seen.add(kind)
            yield condition
