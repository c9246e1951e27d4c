"""Nodes, trimmed: about 1 KiB each. A full one is 10 to 50 KiB of JSON, most of it the names of images.

The kubelet writes to its node at least every five minutes, though nothing has happened. What such a heartbeat
changes is not here, and a change of what is not here is none.

Groups may select nodes by any label (`nodeSelector`, affinity), and new clusters come after the nodes were
listed, so what is kept cannot follow from what is selected by today. All labels are kept but those of a short
list by which nobody places work: what a machine's processor and kernel can do, which is half of the labels of
a GPU node, and notes of the GPU operator to itself. A key that a node lacks here may be one of these, or one
of too many.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from rayfleet.api.accelerators import accelerators_among
from rayfleet.kube.objects.keys import JsonObject, Owner
from rayfleet.kube.objects.timestamps import unix_seconds

LONGEST_MESSAGE: Final = 512
LONGEST_WORD: Final = 128
"""Characters of a condition's type or reason, which the API server does not bound."""
LONGEST_LABEL_KEY, LONGEST_LABEL_VALUE = 317, 63
"""Characters; the API server takes no longer ones."""
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
"""Beginnings of the keys of labels that are left out."""
_OF_KUBERNETES: Final = ("kubernetes.io", "k8s.io")
_AGE: Final = re.compile(r"\b(?:[0-9]+h)?(?:[0-9]+m)?[0-9]+(?:\.[0-9]+)?[mµn]?s ago\b")
"""How long ago something was, as the kubelet says why it is not ready: that moves with each heartbeat."""


class Taint(NamedTuple):
    """What keeps pods away that do not tolerate it."""

    key: str
    value: str
    effect: str


class NodeCondition(NamedTuple):
    """Something that is the matter with a node, or that somebody says of it."""

    type: str
    reason: str
    since: float
    """Unix seconds; 0 where nobody says."""


class Devices(NamedTuple):
    """Accelerators of one kind, or parts of them."""

    resource: str
    """As containers ask for it: `nvidia.com/gpu`."""
    allocatable: int
    """For all pods together. Fewer than `capacity` where some are ill."""
    capacity: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node, trimmed."""

    name: str
    uid: str
    resource_version: int
    ready: bool
    """The kubelet says so, and has been heard of."""
    reason: str
    """Why it is not ready; empty where it is, or where nobody says."""
    message: str
    since: float
    """Since when it is ready, or is not, Unix seconds; 0 where nobody says."""
    unschedulable: bool
    """Cordoned."""
    taints: tuple[Taint, ...]
    conditions: tuple[NodeCondition, ...]
    """Those that are true, in order of their types; `Ready` is above."""
    devices: tuple[Devices, ...]
    labels: tuple[tuple[str, str], ...]
    """In order of their keys."""

    @property
    def namespace(self) -> str:
        """None: a node belongs to the whole cluster."""
        return ""

    @property
    def owner(self) -> Owner | None:
        """None that the operator serves."""
        return None


def node_from_object(obj: JsonObject) -> Node:
    """Trim a Node object. Raises nothing for an object that the API server can hold."""
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
    """In one order, whichever they were set in."""
    words = ("key", "value", "effect")
    found = {Taint(*(_text(each.get(word), LONGEST_LABEL_KEY) for word in words)) for each in taints}
    return tuple(sorted(found)[:MOST_TAINTS])


def _true_ones(conditions: Iterable[JsonObject]) -> tuple[NodeCondition, ...]:
    true = (each for each in conditions if each.get("status") == "True" and each.get("type") != "Ready")
    found = (
        NodeCondition(
            _word(each.get("type")), _word(each.get("reason")), unix_seconds(each.get("lastTransitionTime"))
        )
        for each in true
    )
    return tuple(sorted(found)[:MOST_CONDITIONS])


def _devices(allocatable: JsonObject, capacity: JsonObject) -> tuple[Devices, ...]:
    free, there = dict(accelerators_among(allocatable)), dict(accelerators_among(capacity))
    names = sorted(name for name in free.keys() | there.keys() if len(name) <= LONGEST_LABEL_KEY)
    return tuple(Devices(name, free.get(name, 0), there.get(name, 0)) for name in names[:MOST_DEVICES])


def _labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Of too many, those of Kubernetes' own domains first: zone, host and instance type are among them."""
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
