"""The series of clusters and their worker groups, as lines of text, drawn from the caches.

1,000 clusters are some 14,000 series: as objects of a client library they would hold the event loop for
a tenth of a second. As lines they cost some 25 µs a cluster, and the writer can pause between any two.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from rayfleet.api.names import Label, NodeType
from rayfleet.kinds.raycluster.status.conditions import ConditionType, stored_conditions
from rayfleet.kube.cache import Glance
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.definitions import Definition

Line: TypeAlias = tuple[Definition, str]
"""A sample, and the metric that it belongs to."""

_OURS = frozenset(ConditionType)


def cluster_lines(cluster: Glance, pods: Iterable[Pod]) -> Iterator[Line]:
    """Every series of one cluster. `pods` may hold those of an earlier cluster of the same name."""
    place = f'name="{cluster.key.name}",namespace="{cluster.key.namespace}"'
    identity = f'{place},uid="{cluster.uid}"'
    owner_kind = escaped(cluster.labels.get(Label.ORIGINATED_FROM_CRD) or "None")
    yield _line(definitions.CLUSTER_INFO, f'{identity},owner_kind="{owner_kind}"', 1)
    provisioned = False
    for condition in _conditions(cluster.status):
        kind, holds = condition["type"], condition.get("status") == "True"
        reason = escaped(str(condition.get("reason") or ""))
        yield _line(
            definitions.CLUSTER_CONDITION, f'{place},condition="{kind}",reason="{reason}"', 1 if holds else 0
        )
        if kind == ConditionType.PROVISIONED and holds:
            provisioned = True
            since = _time(condition.get("lastTransitionTime"))
            if since and cluster.created:
                took = max(since - cluster.created, 0.0)
                yield _line(definitions.CLUSTER_PROVISIONED_DURATION, identity, took)
    words = "true" if provisioned else "false"
    yield _line(definitions.CLUSTER_PROVISIONED, f'{identity},condition="{words}"', 1)
    yield from _group_lines(place, cluster, pods)


def _group_lines(place: str, cluster: Glance, pods: Iterable[Pod]) -> Iterator[Line]:
    desired = dict(_desired(cluster.status))
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
        # A group that is no longer in the spec is to have none.
        yield _line(definitions.GROUP_DESIRED, labels, desired.get(group, 0))
        yield _line(definitions.GROUP_RUNNING, labels, running)
        yield _line(definitions.GROUP_PENDING, labels, pending)
        yield _line(definitions.GROUP_READY, labels, ready)


def _conditions(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The conditions that this operator writes, each once."""
    seen = set()
    for condition in stored_conditions(status):
        kind = condition.get("type")
        if kind in _OURS and kind not in seen:
            seen.add(kind)
            yield condition


def _desired(status: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    entries = status.get("workerGroups")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            name, desired = entry.get("groupName"), entry.get("desired")
            if isinstance(name, str) and isinstance(desired, int):
                yield name, desired


def _time(text: object) -> float:
    try:
        return unix_seconds(text) if isinstance(text, str) else 0.0
    except ValueError:
        return 0.0


def _line(of: Definition, labels: str, value: float) -> Line:
    return of, f"{of.name}{{{labels}}} {value}\n"


def escaped(value: str) -> str:
    """A label's value as both exposition formats want it."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value
