"""Pods, trimmed: about 1 KiB each, while the full object takes 41.

A change of a field that is not here wakes nobody.
"""

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import fields

from rayfleet.api.accelerators import accelerators_of_pod
from rayfleet.api.names import HEAD_SELECTOR, START_COMMAND, Annotation, Label, NodeType
from rayfleet.kube.objects.keys import JsonObject, Owner, controller_of
from rayfleet.kube.objects.pod_end import OVER, End, SubmitterEnd, end_of, submitter_end_of
from rayfleet.kube.objects.pod_readiness import Readiness, readiness_of
from rayfleet.kube.objects.timestamps import unix_seconds

_SCHEDULED: Final = "PodScheduled"
_SANDBOXED: Final = "PodReadyToStartContainers"
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class Host(NamedTuple):
    """Which host of which replica a pod of a multi-host group is. Both indexes count from 0."""

    replica: str
    """No other replica of the group has or had this name."""
    replica_index: int
    host_index: int


class Pod(Struct, frozen=True):
    """A head or worker pod, trimmed."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    owner: Owner | None
    node_type: str
    group: str
    created: float
    """Unix seconds, of the object's creationTimestamp."""
    deleting: bool
    phase: str
    readiness: Readiness
    """Whether it is ready; if not, the reason of the first waiting container or of the pod's condition."""
    node_name: str
    pod_ip: str
    head_epoch: int | None
    index: int
    """The n of a worker's name; 0 if we did not create the pod."""
    template_hash: str
    host: Host | None = None
    """None in a group with one pod per replica."""
    end: End | None = None
    """The last end of its Ray container, or of the pod; None while it runs or has not started."""
    place: int | None = None
    """The index of its replica in the group, from 0; None if the pod was created without it."""
    labels: tuple[tuple[str, str], ...] = ()
    """The labels that the head Service may select by; empty for workers that we created."""
    readiness_since: float = 0.0
    """Since when it has been ready or not ready, in Unix seconds; 0 if unknown."""
    gpus: int = 0
    """Accelerators of every kind that its containers request."""
    restarts: int = 0
    """How many times its Ray container was restarted."""
    disruption: str = ""
    """Why Kubernetes disrupts or disrupted it (`PreemptionByScheduler`, ...); else empty."""
    scheduled_after: int | None = None
    """Seconds from its creation until it was assigned to a node. This and the next two: None if it was not,
    or is no worker."""
    pulled_in: int | None = None
    """Seconds from its sandbox to the start of its first container, most of which take the image."""
    started_after: int | None = None
    """Seconds from its creation until its Ray container started, last."""
    aside: bool = False
    """Its labels differ from what it was created as: somebody has set it aside."""
    submitter: SubmitterEnd | None = None
    """How the container that submits a RayJob next to this head has ended; None if it has not."""

    @property
    def ready(self) -> bool:
        """Whether Kubernetes reports it as ready."""
        return self.readiness.ready

    @property
    def ended(self) -> bool:
        """Ray does not run here, and will not again."""
        return self.phase in OVER or (self.end is not None and self.end.for_good)

    @property
    def holds_devices(self) -> bool:
        """Whether it still occupies its devices: until all its containers have ended, or it is gone."""
        return self.phase not in OVER

    def is_progress_of(self, before: "Pod") -> bool:
        """Whether it differs from `before` only in progress towards readiness.

        That shows in the status, and calls for no action.
        """
        return not self.ended and _but_for_progress(self) == _but_for_progress(before)

    @property
    def active(self) -> bool:
        """Whether it counts towards its group's size: it runs, or is about to."""
        return not self.deleting and not self.ended


_OF_PROGRESS = frozenset(
    {
        *("resource_version", "phase", "readiness", "readiness_since", "restarts", "node_name", "pod_ip"),
        *("scheduled_after", "pulled_in", "started_after"),
    }
)


_but_for_progress = attrgetter(*sorted({each.name for each in fields(Pod)} - _OF_PROGRESS))


def ray_container_of(spec: JsonObject) -> JsonObject:
    """The Ray container of a live pod, by the start command in its environment.

    In a template it is the first; in a pod, a webhook may have put a proxy before it. Every operator of this
    API, and every version of this one, sets that variable on the Ray container only, and in a live pod nobody
    can change it. A pod without it was created by somebody else: there the first container counts.
    """
    containers: Sequence[JsonObject] = spec.get("containers") or ()
    for container in containers if len(containers) > 1 else ():
        if any(variable.get("name") == START_COMMAND for variable in container.get("env") or ()):
            return container
    return containers[0] if containers else {}


def pod_from_object(obj: JsonObject) -> Pod:
    """Trim a Pod object. Does not raise for any object that the API server can store."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    readiness, since = readiness_of(status, conditions)
    ray = ray_container_of(spec)
    ray_status = _status_of(ray, status)
    created = unix_seconds(metadata.get("creationTimestamp"))
    is_worker, is_head = (labels.get(Label.NODE_TYPE) == kind for kind in (NodeType.WORKER, NodeType.HEAD))
    startup = _startup(created, conditions, status, ray_status) if is_worker else _NO_STARTUP
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        owner=controller_of(metadata),
        node_type=labels.get(Label.NODE_TYPE, ""),
        group=labels.get(Label.GROUP, ""),
        created=created,
        deleting="deletionTimestamp" in metadata,
        phase=status.get("phase") or "Pending",
        readiness=readiness,
        node_name=spec.get("nodeName") or "",
        pod_ip=status.get("podIP") or "",
        head_epoch=number_of(annotations.get(Annotation.HEAD_EPOCH)),
        index=number_of(annotations.get(Annotation.INDEX)) or 0,
        template_hash=annotations.get(Annotation.TEMPLATE_HASH, ""),
        end=end_of(ray, ray_status, spec, status),
        host=_host(metadata["name"], labels, annotations),
        place=number_of(labels.get(Label.REPLICA_INDEX)),
        labels=() if Annotation.INDEX in annotations else _selected_by(labels),
        readiness_since=since,
        restarts=int(ray_status.get("restartCount") or 0),
        disruption=_disruption(conditions.get("DisruptionTarget")),
        gpus=accelerators_of_pod(spec),
        scheduled_after=startup[0],
        pulled_in=startup[1],
        started_after=startup[2],
        submitter=submitter_end_of(status) if is_head else None,
    )


_NO_STARTUP: Final = (None, None, None)


def _startup(
    created: float, conditions: Mapping[str, JsonObject], status: JsonObject, ray_status: JsonObject
) -> tuple[int | None, int | None, int | None]:
    """How long the parts of its start took; whole seconds, as times in Kubernetes are."""
    scheduled, sandboxed = (_true_since(conditions.get(name)) for name in (_SCHEDULED, _SANDBOXED))
    if not scheduled:
        return _NO_STARTUP
    kind = "initContainerStatuses" if status.get("initContainerStatuses") else "containerStatuses"
    statuses: Sequence[JsonObject] = status.get(kind) or ()
    first = _started(statuses[0]) if statuses else 0.0
    return _between(created, scheduled), _between(sandboxed, first), _between(created, _started(ray_status))


def _true_since(condition: JsonObject | None) -> float:
    """Since when a condition has been True; 0 if it is not."""
    if not condition or condition.get("status") != "True":
        return 0.0
    return unix_seconds(condition.get("lastTransitionTime"))


def _started(container: JsonObject) -> float:
    """When a container was started last; 0 if it was not."""
    state = container.get("state") or {}
    return unix_seconds((state.get("running") or state.get("terminated") or {}).get("startedAt"))


def _between(begin: float, end: float) -> int | None:
    """Seconds; None if a time is unknown, or the second one is of an earlier attempt."""
    return int(end - begin) if begin and end >= begin else None


def _status_of(container: JsonObject, status: JsonObject) -> JsonObject:
    name = container.get("name")
    statuses: Sequence[JsonObject] = status.get("containerStatuses") or ()
    for each in statuses:
        if each.get("name") == name:
            return each
    return {}


def _disruption(condition: JsonObject | None) -> str:
    return str(condition.get("reason") or "") if condition and condition.get("status") == "True" else ""


def _selected_by(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, labels[key]) for key in (*HEAD_SELECTOR, Label.CLUSTER_UID) if key in labels)


def _host(name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Host | None:
    """Read from our own annotation, as labels are changed to set a pod aside; without it, from the labels.

    An annotation copied from another pod does not fit the name: a replica's name ends in the number of its
    first host.
    """
    noted = annotations.get(Annotation.HOST, "").split("/")
    if len(noted) == len(Host._fields):
        replica, *numbers = noted
        place, index = map(number_of, numbers)
        first = number_of(replica.rpartition("-")[2])
        fits = None not in {place, index, first} and name.endswith(f"-{(first or 0) + (index or 0)}")
        if fits and place is not None and index is not None:
            return Host(replica, place, index)
    if Label.REPLICA_NAME not in labels:
        return None
    place, index = number_of(labels.get(Label.REPLICA_INDEX)), number_of(labels.get(Label.REPLICA_HOST_INDEX))
    return None if place is None or index is None else Host(labels[Label.REPLICA_NAME], place, index)


def number_of(text: str | None) -> int | None:
    """A number of at most nine digits, as we write them; anything else is not ours."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None
