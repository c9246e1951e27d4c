"""What one decision is made from, besides what Ray says: groups, their pods, the policy, the memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Literal, NamedTuple

from rayfleet.api.base import INT32_MAX
from rayfleet.api.raycluster import Behavior, Fallback
from rayfleet.ray.state import Resources


class BlockedReason(StrEnum):
    """Why a pod does not come."""

    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    SCHEDULING_GATED = "SchedulingGated"
    LIMIT_RANGE = "LimitRange"
    ADMISSION_DENIED = "AdmissionDenied"
    IMAGE_PULL = "ImagePull"
    NOT_STARTED = "NotStarted"
    """A container of it is not there: a Secret, a volume or its image is missing, or takes its time."""
    CRASHING = "Crashing"
    """A container of it ends as often as it is started."""
    NOT_JOINED = "NotJoined"
    """It runs, and Ray does not know it."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something keeps a pod from coming, and only time or others can change that."""

    reason: BlockedReason
    words: str
    """As the scheduler, the API server or the kubelet said it."""
    since: float
    """Unix seconds."""
    is_starting: bool = False
    """Nothing is wrong but that it takes time: no word of it before it is late."""
    at_least: float = 0.0
    at_most: float = inf
    """Seconds. Bounds of how long the pod counts as coming, whatever the group's patience is."""

    def late_at(self, patience: float) -> float:
        """When it counts as coming no more, where the group has so much patience; Unix seconds."""
        return self.since + min(max(patience, self.at_least), self.at_most)


@dataclass(frozen=True, slots=True)
class Worker:
    """One pod of a group that is not gone: running (Ray knows a node of its name) or coming."""

    name: str
    """The pod's name, which is the Ray node's `instance_id`."""
    group: str
    since: float
    """When the pod was created, Unix seconds."""
    replica: str = ""
    """Of a multi-host group: the replica that the pod is a part of."""
    blocked: Blocked | None = None
    draining: bool = False
    """Marked for removal: no longer active, and no capacity."""
    pending: bool = False
    """Its containers have not started: nothing of Ray runs in it, whatever is known of Ray."""
    requested: bool = False
    """It is deleted, as its name is in `workersToDelete`."""


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """A worker group: what one more of it would bring, and how many there may be (all in replicas)."""

    name: str
    resources: Resources
    """Logical resources of one node (host)."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of the Ray node, sorted by key; those that Ray adds by itself need not be here."""
    num_of_hosts: int = 1
    min_replicas: int = 0
    max_replicas: int = INT32_MAX
    priority: int = 0
    idle_timeout_seconds: float = 60
    fallback: Fallback | None = None
    desired: int = 0
    """What the last decision wanted."""
    resized_to: int | None = None
    """The new value of `replicas`, in the one decision after it was changed."""
    wish: int = 0
    """What metrics from outside Ray ask for."""
    withheld: str = ""
    """Why nothing may be started now, in words, such as that the group is suspended."""
    refused: Blocked | None = None
    """Why the API server did not accept the last pod of this group."""
    first_host: Resources = ()
    """Resources that one host of each replica has besides: a TPU slice has one head."""
    first_host_labels: tuple[tuple[str, str], ...] = ()
    """Labels of that host alone."""
    learned_labels: frozenset[str] = frozenset()
    """Keys of `labels` that its nodes happen to have in common so far: the next one may be somewhere else."""
    accelerators: int = 0
    """How many the pod of one node takes, as Kubernetes counts them and whatever Ray is told of them."""


class GpuHeadroom(NamedTuple):
    """What a limit of cost, shared with others, still leaves room for."""

    words: str
    """Which limit, such as `32 GPUs in namespace team-a`."""
    gpus_left: int
    """How many GPUs may still be added to those of the pods that are there."""


@dataclass(frozen=True, slots=True)
class AutoscalingPolicy:
    """How the cluster is scaled."""

    upscaling_mode: Literal["Default", "Aggressive", "Conservative"] = "Default"
    """Conservative: at most as many workers of a group are coming as are running, at least one."""
    behavior: Behavior = field(default_factory=Behavior)
    ceilings: tuple[GpuHeadroom, ...] = ()
    """Each holds until there is less of something; work goes to groups that they leave room for."""
    new_gpus: GpuHeadroom | None = None
    """How many GPUs may be added now by the limit of new GPUs a minute; the rest waits."""
    blocked_seconds: float = 900
    """How long a blocked pod counts as capacity that comes."""
    open_max_pods: int = 100
    """The most pods of a group that leaves maxReplicas open."""


class Recommendation(NamedTuple):
    """What a group should have had by demand alone, at one time."""

    time: float
    replicas: int


class ScaleEvent(NamedTuple):
    """By how many replicas a group was changed, at one time."""

    time: float
    by: int


class Settled(NamedTuple):
    """The last decision and what it rests on."""

    grounds: int
    """Their hash: the grounds themselves may be megabytes of what a head has said."""
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Memory:
    """What one decision hands to the next. To lose it costs time, never a worker that is busy."""

    began: float | None = None
    """When this memory starts, Unix seconds; nothing shrinks before one stabilisation window has passed."""
    recommendations: Mapping[str, tuple[Recommendation, ...]] = field(default_factory=dict)
    changes: Mapping[str, tuple[ScaleEvent, ...]] = field(default_factory=dict)
    blocked_since: Mapping[str, float] = field(default_factory=dict)
    """Since when each group's pods do not come."""
    unneeded_since: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """For each group: since when at least k + 1 of its coming replicas were not needed, oldest first."""
    shrink_to: Mapping[str, int] = field(default_factory=dict)
    """Sizes that a change of `replicas` asked for and busy workers still keep from being reached."""
    settled: Settled | None = None
    """Held to for as long as its grounds are the same."""
