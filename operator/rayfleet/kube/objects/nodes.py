"""Nodes, trimmed: about 1 KiB each. A full one is 10 to 50 KiB of JSON, most of it image names.

The kubelet writes to its node at least every five minutes, even if nothing has happened. What such a
heartbeat changes is not kept here, and a change of a field that is not here wakes nobody.

Groups may select nodes by any label (`nodeSelector`, affinity), and new clusters come after the nodes were
listed, so which labels to keep cannot depend on what is selected today. All labels are kept except a short
list by which nobody places work: features of the processor and the kernel, which are half of the labels of a
GPU node, and the GPU operator's own records. A key that a node lacks here may be one of these, or one too
many.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from rayfleet.api.accelerators import accelerators_among
from rayfleet.kube.objects.keys import JsonObject, Owner
from rayfleet.kube.objects.timestamps import unix_seconds

LONGEST_MESSAGE: Final = 512
LONGEST_WORD: Final = 128
"""Characters of a condition's type or reason, which the API server does not bound."""
LONGEST_LABEL_KEY, LONGEST_LABEL_VALUE = 317, 63
"""Characters. The API server accepts no longer ones."""
MOST_LABELS: Final = 64
MOST_TAINTS: Final = 64
MOST_CONDITIONS: Final = 32
MOST_DEVICES: Final = 32
NOT_SELECTED_BY: Final = (
    "feature.node.kubernetes.io/cpu-",
    "feature.node.kubernetes.io/kernel-",
    "feature.node.kubernetes.io/system-",
    "nvidia.com/gfd.",
    "nvidia.com/gpu.deploy.",
)
"""Prefixes of the label keys that are left out."""
_OF_KUBERNETES: Final = ("kubernetes.io", "k8s.io")
_AGE: Final = re.compile(r"\b(?:[0-9]+h)?(?:[0-9]+m)?[0-9]+(?:\.[0-9]+)?[mµn]?s ago\b")
"""How long ago something happened, in the kubelet's message: that changes with each heartbeat."""


class Taint(NamedTuple):
    """Keeps away pods that do not tolerate it."""

    key: str
    value: str
    effect: str


class NodeCondition(NamedTuple):
    """A condition of a node that is true."""

    type: str
    reason: str
    since: float
    """Unix seconds; 0 if unknown."""


class Devices(NamedTuple):
    """Accelerators of one kind, or parts of them."""

    resource: str
    """As containers request it: `nvidia.com/gpu`."""
    allocatable: int
    """For all pods together. Less than `capacity` if some are unhealthy."""
    capacity: int


class Node(Struct, frozen=True):
    """A node, trimmed."""

    name: str
    uid: str
    resource_version: int
    ready: bool
    """The kubelet says so, and its heartbeat is recent."""
    reason: str
    """Why it is not ready; empty if it is ready or no reason is known."""
    message: str
    since: float
    """Since when it has been ready or not ready, in Unix seconds; 0 if unknown."""
    unschedulable: bool
    """Cordoned."""
    taints: tuple[Taint, ...]
    conditions: tuple[NodeCondition, ...]
    """Those that are true, sorted by type; without `Ready`, which is above."""
    devices: tuple[Devices, ...]
    labels: tuple[tuple[str, str], ...]
    """Sorted by key."""

    @property
    def namespace(self) -> str:
        """Empty: a node is cluster-scoped."""
        return ""

    @property
    def owner(self) -> Owner | None:
        """None, as no kind that the operator serves owns nodes."""
        return None


def node_from_object(obj: JsonObject) -> Node:
    """Trim a Node object. Does not raise for any object that the API server can store."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    conditions = status.get("conditions") or ()
    ready: JsonObject = next((each for each in conditions if each.get("type") == "Ready"), {})
    is_ready = ready.get("status") == "True"
    return Node(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        ready=is_ready,
        reason="" if is_ready else _word(ready.get("reason")),
        message="" if is_ready else _AGE.sub("a while ago", _text(ready.get("message"), LONGEST_MESSAGE)),
        since=unix_seconds(ready.get("lastTransitionTime")),
        unschedulable=spec.get("unschedulable") is True,
        taints=_taints(spec.get("taints") or ()),
        conditions=_true_ones(conditions),
        devices=_devices(status.get("allocatable") or {}, status.get("capacity") or {}),
        labels=_labels(metadata.get("labels") or {}),
    )


def _taints(taints: Iterable[JsonObject]) -> tuple[Taint, ...]:
    """The taints, sorted: their order in the object does not matter."""
    names = ("key", "value", "effect")
    trimmed = {Taint(*(_text(each.get(name), LONGEST_LABEL_KEY) for name in names)) for each in taints}
    return tuple(sorted(trimmed)[:MOST_TAINTS])


def _true_ones(conditions: Iterable[JsonObject]) -> tuple[NodeCondition, ...]:
    true = (each for each in conditions if each.get("status") == "True" and each.get("type") != "Ready")
    trimmed = (
        NodeCondition(
            _word(each.get("type")), _word(each.get("reason")), unix_seconds(each.get("lastTransitionTime"))
        )
        for each in true
    )
    return tuple(sorted(trimmed)[:MOST_CONDITIONS])


def _devices(allocatable: JsonObject, capacity: JsonObject) -> tuple[Devices, ...]:
    free, there = dict(accelerators_among(allocatable)), dict(accelerators_among(capacity))
    names = sorted(name for name in free.keys() | there.keys() if len(name) <= LONGEST_LABEL_KEY)
    return tuple(Devices(name, free.get(name, 0), there.get(name, 0)) for name in names[:MOST_DEVICES])


def _labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The labels kept. If there are too many, Kubernetes' own domains go first: zone, host, instance type."""
    kept = sorted(
        (key, value)
        for key, value in labels.items()
        if not key.startswith(NOT_SELECTED_BY)
        and len(key) <= LONGEST_LABEL_KEY
        and len(value) <= LONGEST_LABEL_VALUE
    )
    if len(kept) > MOST_LABELS:
        kept.sort(key=lambda label: not label[0].partition("/")[0].endswith(_OF_KUBERNETES))
        kept = sorted(kept[:MOST_LABELS])
    return tuple(kept)


def _word(text: object) -> str:
    return _text(text, LONGEST_WORD)


def _text(text: object, longest: int) -> str:
    return str(text or "")[:longest]
