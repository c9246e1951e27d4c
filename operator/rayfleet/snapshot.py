"""What the planner sees: the trimmed objects of one cluster at one moment, as frozen values.

A trimmed pod takes about 1 KiB, the full object 41. Whatever is not here wakes nobody when it changes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar

from rayfleet.api import RayClusterSpec, Violation
from rayfleet.api.accelerators import accelerators_of_pod
from rayfleet.api.names import HEAD_SELECTOR, START_COMMAND, Annotation, Finalizer, Label
from rayfleet.pod_readiness import RUNNING, end_of, readiness_of, told
from rayfleet.pod_settings import DEFAULT, PodSettings
from rayfleet.scaling_view import ScalingView
from rayfleet.timestamps import unix_seconds

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
MOST_RECORDED = 900_000_000
"""Names have nine digits: from here there is room for as many pods as will ever be."""

JsonObject: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


class Key(NamedTuple):
    """Which cluster: the key of the work queue and of every index."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Owner(NamedTuple):
    """The controlling owner of a child: its name may be used again, its uid never."""

    name: str
    uid: str


class Host(NamedTuple):
    """Which host of which replica a pod of a multi-host group is; both indexes count from 0."""

    replica: str
    """No other replica of the group has this name, nor had it."""
    replica_index: int
    host_index: int


@dataclass(frozen=True, slots=True)
class Pod:
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
    ready: bool
    unready_reason: str
    """Of the first container that waits, or of the pod's condition; empty when ready."""
    ray_ended: bool
    """The Ray container has terminated and will not be started again in this pod."""
    ended_reason: str
    """Why: `Evicted`, `OOMKilled`, `exit code 137`, ..."""
    node_name: str
    pod_ip: str
    head_epoch: int | None
    index: int
    """The n of a worker's name; 0 when the pod is not of our making."""
    template_hash: str
    host: Host | None = None
    """None in a group whose replicas are one pod each."""
    ran: float | None = None
    """Seconds from the start of its Ray container to its end, by the kubelet; none where it does not say."""
    place: int | None = None
    """Which replica of its group it is, from 0; None of a pod that was made without saying so."""
    labels: tuple[tuple[str, str], ...] = ()
    """Of a head, those that its Service may select by; none of workers of our making."""
    unready_words: str = ""
    """What the scheduler or the kubelet says about a pod that does not come."""
    unready_container: str = ""
    """The container that it waits for; empty where no container is the matter."""
    readiness_since: float = 0.0
    """Since when it is ready, or is not, Unix seconds; 0 where nobody says."""
    gpus: int = 0
    """Accelerators of every kind that its containers take."""
    sandboxed: bool = False
    """Its volumes are mounted and its network is there: what is left is its images and its containers."""
    aside: bool = False
    """Its labels say something else than what it was made as: somebody has set it aside."""

    @property
    def state(self) -> str:
        """What it is doing, in a few words: of one that is not ready, which container waits for what."""
        if self.ended:
            return self.ended_reason or self.phase
        if self.deleting:
            return "Terminating"
        reason, words = self.waits_for
        if reason == RUNNING and self.unready_container:
            return f"container {self.unready_container} is running; {words}"
        of = f" of container {self.unready_container}" if self.unready_container else ""
        return f"{reason}{of}: {words}" if words else f"{reason}{of}"

    @property
    def waits_for(self) -> tuple[str, str]:
        """The state of the container, or of the pod, that it waits for, and what is said of it."""
        given = self.unready_reason or self.phase, self.unready_words
        return told(*given, container=self.unready_container, phase=self.phase)

    @property
    def ended(self) -> bool:
        """Nothing of Ray runs here, nor will again."""
        return self.ray_ended or self.phase in {"Failed", "Succeeded"}

    @property
    def holds_devices(self) -> bool:
        """What its containers take is not free for others: until they have all ended, or the pod is gone."""
        return self.phase not in {"Failed", "Succeeded"}

    def is_progress_of(self, before: "Pod") -> bool:
        """Whether only the way to readiness lies between `before` and this.

        That shows in the status, and calls for no action.
        """
        return not self.ended and _but_for_progress(self) == _but_for_progress(before)

    @property
    def active(self) -> bool:
        """Counts towards its group's size: lives, or is about to."""
        return not self.deleting and not self.ended


_OF_PROGRESS = frozenset(
    {
        *("resource_version", "phase", "ready", "unready_reason", "unready_words", "unready_container"),
        *("readiness_since", "sandboxed", "node_name", "pod_ip"),
    }
)
_but_for_progress = attrgetter(*sorted({each.name for each in fields(Pod)} - _OF_PROGRESS))


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of a cluster, trimmed."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    owner: Owner | None
    cluster_ip: str
    ports: tuple[tuple[str, str], ...]
    """(port name, target port) as `status.endpoints` shows them."""
    deleting: bool
    selector: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A RayCluster object as it is stored, spec and status unjudged."""

    key: Key
    uid: str
    resource_version: int
    generation: int
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: JsonObject
    status: JsonObject
    born: int = 0
    """The resourceVersion that it was created with, where its watch told us of that; else 0."""
    deleted: float = 0.0
    """Unix seconds since when it is being deleted; 0 where it is not."""
    finalizers: frozenset[str] = frozenset()
    """Those on it that we know."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A group whose pods could not be created: left alone until a time, while the others go on."""

    until: float
    """Unix seconds."""
    words: str
    since: float = 0.0
    """When the first create in a row was refused, Unix seconds."""


class Settling(NamedTuple):
    """A group whose pods end soon after their start, again and again: its next round waits, and is small."""

    until: float
    """Unix seconds."""
    rounds: int
    """How many have failed in a row."""
    ended: frozenset[str]
    """Uids of the pods that are there and have ended so."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one decision is made from."""

    cluster: Cluster
    spec: RayClusterSpec | None
    """The spec to act by: the stored one when it is valid, else the last valid one, else none."""
    violations: tuple[Violation, ...]
    """What is wrong with the stored spec."""
    pods: tuple[Pod, ...]
    """Pods whose controller is this very cluster (by uid), oldest first."""
    services: tuple[Service, ...]
    now: float
    """Unix seconds."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Template hash to the API server's words, for templates it will not have."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Group name to why nothing can be created in it: what the spec says of it makes no sense."""
    held: Mapping[str, Hold] = field(default_factory=dict)
    """Group name (`headgroup` for the head) to why nothing is created in it for now."""
    settling: Mapping[str, Settling] = field(default_factory=dict)
    """Group name (`headgroup` for the head) to how its ended pods are replaced."""
    gpus: Mapping[str, int] | None = None
    """GPUs of one pod of each group of `spec`, where that has been worked out before."""
    worked_out: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What plans by this very spec, labels and annotations have worked out, for the next one: never news."""
    auth_secret_made: bool = False
    """The Secret with its token was made or found by this process."""
    rivals: tuple[Pod, ...] = ()
    """Heads of an earlier cluster of this name, or of nobody any more, that our labels may lead to."""
    other_operator: str | None = None
    """The Lease of another operator of this API that is alive in our scope, as `namespace/name`."""
    scaling: ScalingView = field(default_factory=ScalingView)
    pod_settings: PodSettings = DEFAULT
    """What the administrator has set for pods, and what the namespace was seen to ask of them."""

    def once(self, what: str, spec: RayClusterSpec, made_for: object, make: Callable[[], T]) -> T:
        """What `make` gives for this spec and what else it was made for: worked out anew for another."""
        known = self.worked_out.get(what)
        if known is None or known[0] is not spec or known[1] != made_for:
            known = self.worked_out[what] = spec, made_for, make()
        made: T = known[2]
        return made


def _owner(metadata: JsonObject) -> Owner | None:
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") == "RayCluster":
            return Owner(str(reference.get("name", "")), str(reference.get("uid", "")))
    return None


def _number(text: str | None) -> int | None:
    """A number of at most nine digits, as we write them; anything else is not ours."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def recorded_number(value: object) -> int:
    """A number that a status or a pod notes, 0 where it can be none of ours: names are counted on from it.

    Whoever may write a status can write any number: above this one they would soon have too many digits.
    """
    ours = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_RECORDED
    return value if ours and isinstance(value, int) else 0


def _selected_by(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, labels[key]) for key in (*HEAD_SELECTOR, Label.CLUSTER_UID) if key in labels)


def _host(name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Host | None:
    """By our own note, as labels are changed to set a pod aside; by the labels where there is none.

    The note of another pod would not fit the name: a replica's name ends in the number of its first host.
    """
    noted = annotations.get(Annotation.HOST, "").split("/")
    if len(noted) == len(Host._fields):
        replica, *numbers = noted
        place, index = map(_number, numbers)
        first = _number(replica.rpartition("-")[2])
        fits = None not in {place, index, first} and name.endswith(f"-{(first or 0) + (index or 0)}")
        if fits and place is not None and index is not None:
            return Host(replica, place, index)
    if Label.REPLICA_NAME not in labels:
        return None
    place, index = _number(labels.get(Label.REPLICA_INDEX)), _number(labels.get(Label.REPLICA_HOST_INDEX))
    return None if place is None or index is None else Host(labels[Label.REPLICA_NAME], place, index)


def ray_container_of(spec: JsonObject) -> JsonObject:
    """The Ray container of a live pod, by the start command in its environment.

    In a template it is the first; in a pod a webhook may have put a proxy before it. Every operator of this
    API, and every version of this one, gives that variable to the Ray container alone, and in a living pod
    nobody can change it. A pod without it was made by somebody else: there the first counts.
    """
    containers: Sequence[JsonObject] = spec.get("containers") or ()
    for container in containers if len(containers) > 1 else ():
        if any(variable.get("name") == START_COMMAND for variable in container.get("env") or ()):
            return container
    return containers[0] if containers else {}


def pod_from_object(obj: JsonObject) -> Pod:
    """Trim a Pod object. Raises nothing for an object that the API server can hold."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    readiness = readiness_of(status)
    end = end_of(ray_container_of(spec), spec, status)
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        owner=_owner(metadata),
        node_type=labels.get(Label.NODE_TYPE, ""),
        group=labels.get(Label.GROUP, ""),
        created=unix_seconds(metadata.get("creationTimestamp")),
        deleting="deletionTimestamp" in metadata,
        phase=status.get("phase") or "Pending",
        ready=readiness.ready,
        unready_reason=readiness.reason,
        ray_ended=end.for_good,
        ended_reason=status.get("reason") or end.words,
        node_name=spec.get("nodeName") or "",
        pod_ip=status.get("podIP") or "",
        head_epoch=_number(annotations.get(Annotation.HEAD_EPOCH)),
        index=_number(annotations.get(Annotation.INDEX)) or 0,
        template_hash=annotations.get(Annotation.TEMPLATE_HASH, ""),
        ran=end.ran,
        host=_host(metadata["name"], labels, annotations),
        place=_number(labels.get(Label.REPLICA_INDEX)),
        labels=() if Annotation.INDEX in annotations else _selected_by(labels),
        unready_words=readiness.words,
        unready_container=readiness.container,
        readiness_since=readiness.since,
        sandboxed=readiness.sandboxed,
        gpus=accelerators_of_pod(spec),
    )


def service_from_object(obj: JsonObject) -> Service:
    """Trim a Service object."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        owner=_owner(metadata),
        cluster_ip=spec.get("clusterIP") or "",
        ports=tuple(
            (
                port.get("name") or "",
                str(port.get("nodePort") or port.get("targetPort") or port.get("port")),
            )
            for port in spec.get("ports") or ()
        ),
        deleting="deletionTimestamp" in metadata,
        selector=tuple(sorted((spec.get("selector") or {}).items())),
    )


def cluster_from_object(obj: JsonObject) -> Cluster:
    """Take a RayCluster object apart without judging its spec."""
    metadata = obj["metadata"]
    return Cluster(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata.get("generation") or 0,
        deleting="deletionTimestamp" in metadata,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        spec=obj.get("spec") or {},
        status=obj.get("status") or {},
        deleted=unix_seconds(metadata.get("deletionTimestamp")),
        finalizers=known_finalizers(metadata),
    )


def known_finalizers(metadata: JsonObject) -> frozenset[str]:
    """The finalizers of a RayCluster that we look at: others are others'."""
    found = metadata.get("finalizers")
    return Finalizer.KNOWN.intersection(found) if found else frozenset()
