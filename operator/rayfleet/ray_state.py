"""What Ray says of a cluster at one moment: its nodes and its queue, as frozen values.

The terms are those of Ray's `autoscaler.proto`. Demand is grouped by shape: 10,000 equal tasks are one entry.
"""

from dataclasses import dataclass
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


class Gang(NamedTuple):
    """A placement group that waits: all of its bundles or none."""

    name: str
    """The placement group's id in hex."""
    strategy: Strategy
    bundles: tuple[Demand, ...]
    """Equal bundles are one entry."""


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
