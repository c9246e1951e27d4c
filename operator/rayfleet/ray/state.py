"""The state of Ray in a cluster at one moment, its nodes and its queue, as frozen values.

The terms are those of Ray's `autoscaler.proto`. Demand is grouped by shape: 10,000 equal tasks are one entry.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from msgspec import Struct, field

Resources: TypeAlias = tuple[tuple[str, float], ...]
"""(resource name, amount), sorted by name, each amount above 0: `(("CPU", 1.0), ("GPU", 0.5))`."""


class LabelConstraint(NamedTuple):
    """One condition on a node's labels."""

    key: str
    values: tuple[str, ...]
    """Sorted."""
    negated: bool = False
    """The node's value must not be one of `values`; a node without the label matches."""


LabelSelector: TypeAlias = tuple[LabelConstraint, ...]
"""All of these must hold."""


class Shape(NamedTuple):
    """What one task, actor or bundle requests."""

    resources: Resources
    selectors: tuple[LabelSelector, ...] = ()
    """Alternatives, best first; if there are none, any node will do."""


class Demand(Struct, frozen=True):
    """Equal requests that wait."""

    shape: Shape
    count: int


class Strategy(StrEnum):
    """How the bundles of a placement group are placed on nodes."""

    PACK = "PACK"
    SPREAD = "SPREAD"
    STRICT_PACK = "STRICT_PACK"
    STRICT_SPREAD = "STRICT_SPREAD"


class Locality(NamedTuple):
    """All bundles must be on nodes with the same value of a label, such as a GPU domain."""

    label: str
    """Empty if any nodes that satisfy `among` will do."""
    apart: bool = False
    """The opposite: no two bundles with the same value."""
    among: LabelSelector = ()
    """What these nodes must satisfy in addition."""


class Choice(NamedTuple):
    """One alternative for a placement group."""

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
    """Alternatives, best first."""


class NodeStatus(StrEnum):
    """The status of a Ray node, as reported by the GCS."""

    RUNNING = "RUNNING"
    """Busy. Also stands for a status that we do not know."""
    IDLE = "IDLE"
    DRAINING = "DRAINING"
    DEAD = "DEAD"


class RayNode(Struct, frozen=True):
    """One Ray node, that is, one pod (`instance_id` is the pod's name)."""

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
    """How long it has been idle; 0 if it is not."""
    ip: str
    activity: tuple[str, ...]
    """Why it is busy: Ray's own texts."""


class RayState(Struct, frozen=True):
    """One reply of GetClusterResourceState. `nodes` includes dead ones."""

    session: str
    """Changes when the head restarts without its previous state."""
    version: int
    nodes: tuple[RayNode, ...]
    demands: tuple[Demand, ...]
    """Tasks, actors and jobs that wait for resources."""
    gangs: tuple[Gang, ...]
    constraints: tuple[tuple[Demand, ...], ...]
    """What `request_resources` asked the cluster to have, busy or not; one list per call."""
    size: int = 0
    """An upper estimate of its size in memory, in bytes."""

    @property
    def joined(self) -> frozenset[str]:
        """The instance ids, that is, pod names, of the nodes that are not dead."""
        return frozenset(node.instance_id for node in self.nodes if node.status is not NodeStatus.DEAD)


class RayView(Struct, frozen=True):
    """What is known of a cluster's Ray at the time of a decision. Unknown is not zero."""

    state: RayState | None = None
    """The last answer of the head, also while it is unreachable; None before the first."""
    taken: float = 0.0
    """When it was received, in Unix seconds."""
    trouble: str = ""
    """Why the state cannot be used for decisions; empty if it can."""
    since: float | None = None
    """Since when there has been trouble, in Unix seconds."""
    drained: frozenset[bytes] = frozenset()
    """Ids of nodes that we asked Ray to drain, unless it refused, or that we know to have been drained."""
    found_drained: frozenset[bytes] = frozenset()
    """Ids of dead nodes that were drained as idle at the request of another operator: a previous one that
    ended meanwhile. Desired sizes may still count them."""
    dead_since: Mapping[bytes, float] = field(default_factory=dict)
    """When we first saw each dead node dead, in Unix seconds, by node id."""
    kept: Mapping[bytes, float] = field(default_factory=dict)
    """When Ray may be asked again about nodes that it has just refused to drain as busy, by node id."""
    session_since: float | None = None
    """Since when the current head has been there, as far as we know, in Unix seconds."""
    unheard_until: float | None = None
    """When one of `drained` that still works may be asked again, in Unix seconds: it may not have heard."""
    settles_at: float | None = None
    """When the trouble ends with time alone, in Unix seconds; None if it takes more than that."""


class DrainReason(StrEnum):
    """Why Ray is asked to drain a node."""

    IDLE_TERMINATION = "IDLE_TERMINATION"
    """Refused unless the node is idle at that very moment."""
    PREEMPTION = "PREEMPTION"
    """Accepted at once: no new work goes there. Ray waits for what runs, even past the deadline."""


class Drain(NamedTuple):
    """Ray's answer to a drain request."""

    accepted: bool
    """Also true for a node that is dead or unknown to Ray."""
    refusal: str = ""
    """Ray's message."""


class PendingLaunch(Struct, frozen=True):
    """Pods about to be created."""

    group: str
    count: int
    since: float
    """Unix seconds."""


class PendingPod(Struct, frozen=True):
    """A pod that is becoming a Ray node."""

    group: str
    instance_id: str
    ip: str
    details: str
    """What it is waiting for."""


class FailedLaunch(Struct, frozen=True):
    """Pods that could not be created."""

    group: str
    count: int
    reason: str
    since: float
    """Unix seconds, as `failed`."""
    failed: float


class AutoscalingReport(Struct, frozen=True):
    """What is reported to Ray about the autoscaler, for `ray status`."""

    version: int
    """Ray ignores a report whose version is not above the last one's."""
    seen_version: int
    """The `RayState.version` that it responds to."""
    launches: tuple[PendingLaunch, ...] = ()
    pods: tuple[PendingPod, ...] = ()
    failures: tuple[FailedLaunch, ...] = ()
    infeasible: tuple[Shape, ...] = ()
    """If the head was started with early exit, tasks of these shapes fail at once."""
