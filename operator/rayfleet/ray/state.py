"""What Ray says of a cluster at one moment: its nodes and its queue, as frozen values.

The terms are those of Ray's `autoscaler.proto`. Demand is grouped by shape: 10,000 equal tasks are one entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

Resources: TypeAlias = tuple[tuple[str, float], ...]
"""(resource name, amount), sorted by name, each amount above 0: `(("CPU", 1.0), ("GPU", 0.5))`."""


class LabelConstraint(NamedTuple):
    """One condition on a node's labels."""

    key: str
    values: tuple[str, ...]
    """Sorted."""
    negated: bool = False
    """The node's value must be none of `values`; a node without the label is fine then."""


LabelSelector: TypeAlias = tuple[LabelConstraint, ...]
"""All of these must hold."""


class Shape(NamedTuple):
    """What one task, actor or bundle asks for."""

    resources: Resources
    selectors: tuple[LabelSelector, ...] = ()
    """Alternatives, best first; any node will do where there is none."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Equal requests that wait."""

    shape: Shape
    count: int


class Strategy(StrEnum):
    """How the bundles of a placement group lie on nodes."""

    PACK = "PACK"
    SPREAD = "SPREAD"
    STRICT_PACK = "STRICT_PACK"
    STRICT_SPREAD = "STRICT_SPREAD"


class Locality(NamedTuple):
    """All bundles lie on nodes with one and the same value of a label, such as a GPU domain."""

    label: str
    """Empty where any nodes `among` those will do."""
    apart: bool = False
    """The opposite: no two bundles with the same value."""
    among: LabelSelector = ()
    """What these nodes must satisfy besides."""


class Choice(NamedTuple):
    """One way to have a placement group."""

    bundles: tuple[Demand, ...]
    """Equal bundles are one entry."""
    locality: Locality | None = None


class Gang(NamedTuple):
    """A placement group that waits: all of its bundles or none."""

    name: str
    """The placement group's id in hex."""
    strategy: Strategy
    bundles: tuple[Demand, ...]
    """Equal bundles are one entry."""
    locality: Locality | None = None
    others: tuple[Choice, ...] = ()
    """What may be had instead, best first."""


class NodeStatus(StrEnum):
    """Of a Ray node, by the GCS."""

    RUNNING = "RUNNING"
    """Busy. Also what a status that is not known to us counts as."""
    IDLE = "IDLE"
    DRAINING = "DRAINING"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class RayNode:
    """One Ray node, that is one pod (`instance_id` is the pod's name)."""

    node_id: bytes
    """28 bytes."""
    instance_id: str
    group: str
    """`ray_node_type_name`: the worker group, or `headgroup`."""
    status: NodeStatus
    total: Resources
    available: Resources
    labels: tuple[tuple[str, str], ...]
    """Sorted by key."""
    idle_seconds: float
    """How long it has been idle; 0 where it is not."""
    ip: str
    activity: tuple[str, ...]
    """Why it is busy, in Ray's words."""


@dataclass(frozen=True, slots=True)
class RayState:
    """One reply of GetClusterResourceState. Nodes that are dead are among `nodes`."""

    session: str
    """Changes when the head starts anew without its memory."""
    version: int
    nodes: tuple[RayNode, ...]
    demands: tuple[Demand, ...]
    """Tasks, actors and jobs that wait for resources."""
    gangs: tuple[Gang, ...]
    constraints: tuple[tuple[Demand, ...], ...]
    """What `request_resources` asked to have in the cluster, busy or not, each a list of its own."""
    size: int = field(default=0, compare=False)
    """About how many bytes it takes here, rather more than less."""

    @property
    def joined(self) -> frozenset[str]:
        """The instance ids, that is pod names, of the nodes that are not dead."""
        return frozenset(node.instance_id for node in self.nodes if node.status is not NodeStatus.DEAD)


@dataclass(frozen=True, slots=True)
class RayView:
    """What is known of a cluster's Ray at the moment of a decision. Unknown is not zero."""

    state: RayState | None = None
    """The last answer of the head, also while it is out of reach; none before the first."""
    taken: float = 0.0
    """When that was, Unix seconds."""
    trouble: str = ""
    """Why the state cannot be decided by, in words; empty where it can."""
    since: float | None = None
    """Since when, Unix seconds."""
    drained: frozenset[bytes] = frozenset()
    """Ids of nodes that we asked Ray to give up, unless it refused, or that we know to have been given up."""
    found_drained: frozenset[bytes] = frozenset()
    """Ids of dead nodes that were given up as idle at the request of another operator: one before us that
    ended in the midst of it. Wanted sizes may still count them."""
    dead_since: Mapping[bytes, float] = field(default_factory=dict)
    """Ids of dead nodes to when we first saw them so, Unix seconds."""
    kept: Mapping[bytes, float] = field(default_factory=dict)
    """Ids of nodes that Ray has just refused to give up, as they are busy, to when it may be asked again."""
    session_since: float | None = None
    """Since when the head is the one that it is, as far as we know, Unix seconds."""
    unheard_until: float | None = None
    """When one of `drained` that goes on working may be asked again, Unix seconds: it may not have heard."""
    settles_at: float | None = None
    """When the trouble is over by time alone, Unix seconds; none where it takes more than that."""


class DrainReason(StrEnum):
    """Why Ray is asked to give a node up."""

    IDLE_TERMINATION = "IDLE_TERMINATION"
    """Refused unless the node is idle at that very moment."""
    PREEMPTION = "PREEMPTION"
    """Taken at once: no new work goes there. Ray waits for what runs, even past the deadline."""


class Drain(NamedTuple):
    """What Ray answered to being asked to drain a node."""

    accepted: bool
    """Also true for a node that Ray does not know, or that is dead."""
    refusal: str = ""
    """In Ray's words."""


@dataclass(frozen=True, slots=True)
class PendingLaunch:
    """Pods that are to be created."""

    group: str
    count: int
    since: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class PendingPod:
    """A pod that is on its way to becoming a Ray node."""

    group: str
    instance_id: str
    ip: str
    details: str
    """What it waits for, in words."""


@dataclass(frozen=True, slots=True)
class FailedLaunch:
    """Pods that could not be had."""

    group: str
    count: int
    reason: str
    since: float
    """Unix seconds, as `failed`."""
    failed: float


@dataclass(frozen=True, slots=True)
class AutoscalingReport:
    """What Ray is told of the autoscaler, for `ray status`."""

    version: int
    """A report whose version is not above the last one's is ignored by Ray."""
    seen_version: int
    """`RayState.version` of the state that it answers."""
    launches: tuple[PendingLaunch, ...] = ()
    pods: tuple[PendingPod, ...] = ()
    failures: tuple[FailedLaunch, ...] = ()
    infeasible: tuple[Shape, ...] = ()
    """Where the head was started with early exit, tasks of these shapes fail at once."""
