"""What one decision is made from, besides Ray's state: groups, their pods, the policy, the memory."""

from collections.abc import Mapping
from enum import StrEnum
from math import inf
from typing import Literal, NamedTuple

from msgspec import Struct, field

from rayfleet.api.base import INT32_MAX
from rayfleet.api.raycluster import Behavior, Fallback
from rayfleet.ray.state import Resources


class BlockedReason(StrEnum):
    """Why a pod is blocked."""

    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    SCHEDULING_GATED = "SchedulingGated"
    LIMIT_RANGE = "LimitRange"
    ADMISSION_DENIED = "AdmissionDenied"
    IMAGE_PULL = "ImagePull"
    NOT_STARTED = "NotStarted"
    """A container has not started: a Secret, a volume or its image is missing, or takes its time."""
    CRASHING = "Crashing"
    """A container ends each time it is started."""
    NOT_JOINED = "NotJoined"
    """It runs, but Ray does not know it."""


class Blocked(Struct, frozen=True):
    """Something keeps a pod from running, and only time or others can change that."""

    reason: BlockedReason
    message: str
    """The message of the scheduler, the API server or the kubelet."""
    since: float
    """Unix seconds."""
    is_starting: bool = False
    """Nothing is wrong except that it takes time: not reported before it is late."""
    at_least: float = 0.0
    at_most: float = inf
    """Seconds. Bounds on how long the pod counts as coming, whatever the group's patience is."""

    def late_at(self, patience: float) -> float:
        """When it stops counting as coming, for a group with this `patience`; in Unix seconds."""
        return self.since + min(max(patience, self.at_least), self.at_most)


class Worker(Struct, frozen=True):
    """One pod of a group: running (Ray knows a node of its name) or coming."""

    name: str
    """The pod's name, which is the Ray node's `instance_id`."""
    group: str
    since: float
    """When the pod was created, in Unix seconds."""
    replica: str = ""
    """In a multi-host group, the replica that the pod is part of."""
    blocked: Blocked | None = None
    draining: bool = False
    """Marked for removal: no longer active, and not capacity."""
    pending: bool = False
    """Its containers have not started, so Ray does not run in it, whatever is known about Ray."""
    requested: bool = False
    """It is going to be deleted because its name is in `workersToDelete`."""


class WorkerGroup(Struct, frozen=True):
    """A worker group: what one more replica would bring, and how many replicas there may be."""

    name: str
    resources: Resources
    """Logical resources of one node (host)."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of the Ray node, sorted by key; those that Ray adds on its own may be missing."""
    num_of_hosts: int = 1
    min_replicas: int = 0
    max_replicas: int = INT32_MAX
    priority: int = 0
    idle_timeout_seconds: float = 60
    fallback: Fallback | None = None
    desired: int = 0
    """The size that the last decision wanted."""
    resized_to: int | None = None
    """The new value of `replicas`, in the first decision after it was changed."""
    metric_replicas: int = 0
    """The replicas that metrics from outside Ray ask for."""
    withheld: str = ""
    """Why no pods may be started now, such as that the group is suspended."""
    refused: Blocked | None = None
    """Why the API server did not accept the last pod of this group."""
    first_host: Resources = ()
    """Extra resources of one host of each replica: a TPU slice has one head."""
    first_host_labels: tuple[tuple[str, str], ...] = ()
    """Extra labels of that host."""
    learned_labels: frozenset[str] = frozenset()
    """Keys of `labels` that its nodes only happen to share so far: the next node may differ."""
    accelerators: int = 0
    """Accelerators that the pod of one node requests from Kubernetes, whatever is declared to Ray."""


class GpuHeadroom(NamedTuple):
    """How much room a ceiling, shared with others, still leaves."""

    message: str
    """Which ceiling, such as `32 GPUs in namespace team-a`."""
    gpus_left: int
    """How many GPUs may still be added to those of existing pods."""


class AutoscalingPolicy(Struct, frozen=True):
    """How the cluster is scaled."""

    upscaling_mode: Literal["Default", "Aggressive", "Conservative"] = "Default"
    """Conservative: at most as many workers of a group are coming as are running, but at least one."""
    behavior: Behavior = field(default_factory=Behavior)
    ceilings: tuple[GpuHeadroom, ...] = ()
    """Each holds until GPUs are released; work goes to groups for which they leave room."""
    new_gpus: GpuHeadroom | None = None
    """How many GPUs may be added now under the limit on new GPUs per minute; the rest waits."""
    blocked_seconds: float = 900
    """How long a blocked pod counts as coming capacity."""
    open_max_pods: int = 100
    """The most pods of a group without maxReplicas."""


class Recommendation(NamedTuple):
    """The size of a group by demand alone, at one time."""

    time: float
    replicas: int


class ScaleEvent(NamedTuple):
    """By how many replicas the size of a group was changed, at one time."""

    time: float
    by: int


class Settled(NamedTuple):
    """The last decision and what it rests on."""

    grounds: int
    """Their hash: the grounds themselves may be megabytes of a head's answer."""
    sizes: Mapping[str, int]


class Memory(Struct, frozen=True):
    """What one decision passes to the next. Losing it costs time, never a busy worker."""

    began: float | None = None
    """When this memory starts, in Unix seconds; nothing shrinks for one stabilisation window after that."""
    recommendations: Mapping[str, tuple[Recommendation, ...]] = field(default_factory=dict)
    changes: Mapping[str, tuple[ScaleEvent, ...]] = field(default_factory=dict)
    blocked_since: Mapping[str, float] = field(default_factory=dict)
    """Since when each group's pods have been refused."""
    unneeded_since: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """For each group, since when at least k + 1 of its coming replicas have not been needed, oldest first."""
    shrink_to: Mapping[str, int] = field(default_factory=dict)
    """Sizes requested by lowering `replicas` that have not been reached because workers are busy."""
    settled: Settled | None = None
    """Kept to as long as its grounds are the same."""
