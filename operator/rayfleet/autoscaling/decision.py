"""What `decide` says: sizes, drains, what serves each demand, what holds the rest, all in words as well."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from rayfleet.autoscaling.inputs import Memory
from rayfleet.ray.state import Shape

AS_IT_SHOULD_BE: Final = "as large as it should be"
"""The reason of a group of which nothing is to be said."""


class Tier(StrEnum):
    """How far a node is from running work."""

    RUNNING = "running"
    COMING = "coming"
    NEW = "new"
    """To be started by this decision."""
    BLOCKED = "blocked"
    """Coming, but for so long that work is sent elsewhere where it can be."""


class HoldKind(StrEnum):
    """What keeps demand from being served."""

    INFEASIBLE = "Infeasible"
    """No group has such a node, whatever its max is."""
    MAX = "Max"
    CEILING = "Ceiling"
    """A limit of cost."""
    BLOCKED = "Blocked"
    """Pods do not come: no room on the cluster's nodes, quota, a gate, an image."""
    WITHHELD = "Withheld"
    """The group may not start anything now."""
    RATE = "Rate"
    """A window, a policy or a mode spreads the growth over time."""
    TOO_MUCH = "TooMuch"
    """More waits than one decision can look through."""


class DemandKind(StrEnum):
    """Where demand comes from."""

    TASKS = "tasks"
    """Tasks, actors and job drivers, which Ray does not tell apart."""
    GANG = "gang"
    CONSTRAINT = "request_resources"


class DemandHold(NamedTuple):
    """One reason, and its words for a user."""

    kind: HoldKind
    words: str


class Placed(NamedTuple):
    """How much of a demand goes to one group."""

    group: str
    tier: Tier
    number: int


@dataclass(frozen=True, slots=True)
class DemandAnswer:
    """What becomes of one entry of demand."""

    kind: DemandKind
    shape: Shape
    """Of a gang: one of its bundles."""
    count: int
    placed: tuple[Placed, ...]
    holds: tuple[DemandHold, ...] = ()
    """Why the rest waits; none where everything is placed on nodes that run, come or may be started."""
    gang: str = ""
    """The placement group's id, where the entry is a bundle of one."""

    @property
    def unserved(self) -> int:
        """How many have no node yet and will get none by this decision."""
        return self.count - sum(placed.number for placed in self.placed if placed.tier is not Tier.BLOCKED)


class IdleNode(NamedTuple):
    """One Ray node that may be drained as idle."""

    instance_id: str
    node_id: bytes


@dataclass(frozen=True, slots=True)
class ReplicaDrain:
    """One replica that is to go: each of its nodes is idle and needed by nothing."""

    group: str
    replica: str
    """Of a multi-host group: the replica's name; else the pod's."""
    nodes: tuple[IdleNode, ...]
    words: str


@dataclass(frozen=True, slots=True)
class ReplicaCancel:
    """One replica that has not joined Ray and that nothing needs any more: its pods can be deleted."""

    group: str
    pods: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """The size of one group, in replicas."""

    name: str
    wanted: int
    """What there should be, when everything in `drains` and `cancels` has gone."""
    launches: int
    """Replicas of `wanted` that no pod exists for yet."""
    pending: int
    """Nodes that are on their way or to be started: what Ray is told as pending."""
    reason: str
    """Why this size, in words; changes only when the decision does."""
    growth: str = ""
    """How many replicas it grows by now, and what for, in words; empty where it does not grow."""
    holds: tuple[DemandHold, ...] = ()
    """What keeps it from being larger, where demand asks for more."""
    blocked: str = ""
    """Why pods of it do not come, in words."""
    late: bool = False
    """They have not come for so long that work goes elsewhere where it can."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and why."""

    groups: tuple[GroupDecision, ...]
    """By name."""
    drains: tuple[ReplicaDrain, ...] = ()
    cancels: tuple[ReplicaCancel, ...] = ()
    next_look: float | None = None
    """Seconds until time alone may change the decision; none where it cannot."""
    answers: tuple[DemandAnswer, ...] = ()
    """What becomes of each demand, the largest first."""
    oversized: tuple[Shape, ...] = ()
    """Shapes of tasks that are larger than a whole node of every group, whatever max is."""
    summary: str = ""
    """One sentence for the status; changes only when the decision does."""
    known: bool = True
    """Whether Ray's view was there; without it nothing shrinks and demand is not known."""
    memory: Memory = field(default_factory=Memory)

    @property
    def active(self) -> bool:
        """Whether something is on its way, up or down, or waits for that."""
        moving = self.drains or self.cancels or any(group.launches or group.pending for group in self.groups)
        return bool(moving) or any(answer.unserved > 0 for answer in self.answers)

    def group(self, name: str) -> GroupDecision:
        """The decision for one group. Raises KeyError for a group that was not handed in."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)
