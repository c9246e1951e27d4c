"""The metric series of clusters and their worker groups as lines of text, built from the caches.

1,000 clusters are some 14,000 series: as objects of a client library they would block the event loop for a
tenth of a second. As lines they cost some 25 µs per cluster, and the writer can pause between any two.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from rayfleet.api.names import Label, NodeType
from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus, StatusCondition, recorded
from rayfleet.kube.cache import Glance
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.definitions import Definition

Line: TypeAlias = tuple[Definition, str]
"""A sample with its metric."""

_OURS = frozenset(ConditionType)


def cluster_lines(cluster: Glance, pods: Iterable[Pod]) -> Iterator[Line]:
    """Every series of one cluster. `pods` may include those of an earlier cluster of the same name."""
    place = f'name="{cluster.key.name}",namespace="{cluster.key.namespace}"'
    identity = f'{place},uid="{cluster.uid}"'
    owner_kind = escaped(cluster.labels.get(Label.ORIGINATED_FROM_CRD) or "None")
    yield _line(definitions.CLUSTER_INFO, f'{identity},owner_kind="{owner_kind}"', 1)
    provisioned, status = False, recorded(cluster.status)
    for condition in _conditions(status):
        kind, holds, reason = condition.type, condition.holds, escaped(condition.reason)
        yield _line(
            definitions.CLUSTER_CONDITION, f'{place},condition="{kind}",reason="{reason}"', 1 if holds else 0
        )
        if kind == ConditionType.PROVISIONED and holds:
            provisioned = True
            since = unix_seconds(condition.last_transition_time)
            if since and cluster.created:
                took = max(since - cluster.created, 0.0)
                yield _line(definitions.CLUSTER_PROVISIONED_DURATION, identity, took)
    value = "true" if provisioned else "false"
    yield _line(definitions.CLUSTER_PROVISIONED, f'{identity},condition="{value}"', 1)
    desired = {
        group.group_name: group.desired
        for group in status.worker_groups
        if group.group_name and group.desired is not None
    }
    yield from _group_lines(place, cluster, desired, pods)


def _group_lines(
    place: str, cluster: Glance, desired: Mapping[str, int], pods: Iterable[Pod]
) -> Iterator[Line]:
    sizes = {group: [0, 0, 0] for group in desired}
    for pod in pods:
        if pod.node_type == NodeType.WORKER and pod.owner is not None and pod.owner.uid == cluster.uid:
            counts = sizes.setdefault(pod.group, [0, 0, 0])
            if pod.active:
                counts[0] += pod.phase == "Running"
                counts[1] += pod.phase == "Pending"
                counts[2] += pod.ready
    for group, (running, pending, ready) in sizes.items():
        labels = f'{place},group="{escaped(group)}"'
        # A group that is no longer in the spec has no desired pods.
        yield _line(definitions.GROUP_DESIRED, labels, desired.get(group, 0))
        yield _line(definitions.GROUP_RUNNING, labels, running)
        yield _line(definitions.GROUP_PENDING, labels, pending)
        yield _line(definitions.GROUP_READY, labels, ready)


def _conditions(status: RayClusterStatus) -> Iterator[StatusCondition]:
    """The conditions that this operator writes, each once."""
    seen = set()
    for condition in status.conditions:
        kind = condition.type
        if kind in _OURS and kind not in seen:
            seen.add(kind)
            yield condition


def _line(metric: Definition, labels: str, value: float) -> Line:
    return metric, f"{metric.name}{{{labels}}} {value}\n"


def escaped(value: str) -> str:
    """A label's value as both exposition formats require it."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value
