"""The result of `decide`: sizes, drains, what serves each demand, what holds the rest, with messages."""

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct, field

from rayfleet.autoscaling.inputs import Memory
from rayfleet.ray.state import Shape

AS_IT_SHOULD_BE: Final = "as large as it should be"
"""The reason of a group about which there is nothing else to say."""


class Tier(StrEnum):
    """How close a node is to running work."""

    RUNNING = "running"
    COMING = "coming"
    NEW = "new"
    """Started by this decision."""
    BLOCKED = "blocked"
    """Coming, but for so long that its work goes elsewhere if possible."""


class HoldKind(StrEnum):
    """What keeps demand from being served."""

    INFEASIBLE = "Infeasible"
    """No group has such a node, whatever its max."""
    MAX = "Max"
    CEILING = "Ceiling"
    """A ceiling on GPUs."""
    BLOCKED = "Blocked"
    """Pods are blocked: no room on the cluster's nodes, quota, a gate, an image."""
    WITHHELD = "Withheld"
    """The group may not start pods now."""
    RATE = "Rate"
    """A window, a policy or a mode spreads the growth over time."""
    TOO_MUCH = "TooMuch"
    """More is waiting than one decision can consider."""


class SizeReason(StrEnum):
    """Why the size of a group changes."""

    DEMAND = "demand"
    """Work waits."""
    MINIMUM = "minimum"
    METRIC = "metric"
    REPLICAS = "replicas"
    """`replicas` was changed."""
    LIMIT = "limit"
    """It was above its max."""
    IDLE = "idle"
    UNNEEDED = "unneeded"
    """It has not started, and nothing waits for it any more."""
    OTHER = "other"
    """Such as that Ray keeps a node that was to go."""


class DemandKind(StrEnum):
    """Where demand comes from."""

    TASKS = "tasks"
    """Tasks, actors and job drivers, which Ray does not distinguish."""
    GANG = "gang"
    CONSTRAINT = "request_resources"


RESOURCES: Final = ("CPU", "GPU", "TPU", "memory", "other")
"""What demand is counted in; a head may name any number of others."""
Amounts: TypeAlias = tuple[float, ...]
"""An amount of each of `RESOURCES`."""
NO_AMOUNTS: Final[Amounts] = (0.0,) * len(RESOURCES)
STARTING: Final = "Starting"
"""The reason of what waits for nodes that are coming."""


class Waiting(NamedTuple):
    """What of the queue has no running node, in numbers."""

    requests: int = 0
    """Those that get no node by this decision; if there are none, those whose nodes are coming."""
    reason: str = "None"
    """What holds most of them: a `HoldKind`, or `STARTING`."""
    demand: Amounts = NO_AMOUNTS
    """Of all that have no running node."""
    infeasible: Amounts = NO_AMOUNTS
    """Of those that no group could ever serve."""
    kinds: frozenset[HoldKind] = frozenset()
    """Everything that holds something in the cluster."""


NOTHING_WAITS: Final = Waiting()


class DemandHold(NamedTuple):
    """One reason, and a message for the user."""

    kind: HoldKind
    message: str


class Placed(NamedTuple):
    """How much of one demand goes to one group."""

    group: str
    tier: Tier
    number: int


class DemandAnswer(Struct, frozen=True):
    """The outcome for one entry of demand."""

    kind: DemandKind
    shape: Shape
    """For a gang, the shape of one of its bundles."""
    count: int
    placed: tuple[Placed, ...]
    holds: tuple[DemandHold, ...] = ()
    """Why the rest waits; empty if everything is placed on nodes that are running, coming or started."""
    gang: str = ""
    """The placement group's id, if the entry is one of its bundles."""

    @property
    def unserved(self) -> int:
        """How many have no node yet and will not get one from this decision."""
        return self.count - sum(placed.number for placed in self.placed if placed.tier is not Tier.BLOCKED)


class IdleNode(NamedTuple):
    """One Ray node to be drained as idle."""

    instance_id: str
    node_id: bytes


class ReplicaDrain(Struct, frozen=True):
    """One replica to remove: each of its nodes is idle, and nothing needs them."""

    group: str
    replica: str
    """The replica's name in a multi-host group; else the pod's name."""
    nodes: tuple[IdleNode, ...]
    message: str
    why: SizeReason


class ReplicaCancel(Struct, frozen=True):
    """One replica that has not joined Ray and that nothing needs any more: its pods may be deleted."""

    group: str
    pods: tuple[str, ...]
    message: str
    why: SizeReason


class GroupDecision(Struct, frozen=True):
    """The size of one group, in replicas."""

    name: str
    wanted: int
    """The desired size, once everything in `drains` and `cancels` has gone."""
    launches: int
    """Replicas of `wanted` that have no pod yet."""
    pending: int
    """Nodes that are coming or to be started, which are reported to Ray as pending."""
    reason: str
    """Why this size; changes only when the decision does."""
    growth: str = ""
    """How many replicas it grows by now, and what for; empty if it does not grow."""
    holds: tuple[DemandHold, ...] = ()
    """What keeps it from being larger, if demand asks for more."""
    blocked: str = ""
    """Why its pods are blocked."""
    late: bool = False
    """They have been blocked for so long that their work goes elsewhere if possible."""
    why_up: SizeReason = SizeReason.OTHER
    """Why it is larger than before, if it is."""
    why_down: SizeReason = SizeReason.OTHER
    """Why it is smaller than before, if it is."""


class Decision(Struct, frozen=True):
    """What to do now, and why."""

    groups: tuple[GroupDecision, ...]
    """Sorted by name."""
    drains: tuple[ReplicaDrain, ...] = ()
    cancels: tuple[ReplicaCancel, ...] = ()
    next_look: float | None = None
    """Seconds until time alone may change the decision; None if it cannot."""
    answers: tuple[DemandAnswer, ...] = ()
    """The outcome for each demand, the largest first."""
    oversized: tuple[Shape, ...] = ()
    """Shapes of tasks that are larger than a whole node of any group, whatever max is."""
    summary: str = ""
    """One sentence for the status; changes only when the decision does."""
    waiting: Waiting = NOTHING_WAITS
    """The queue in numbers."""
    known: bool = True
    """Whether there was a view of Ray; without it nothing shrinks and demand is unknown."""
    memory: Memory = field(default_factory=Memory)

    @property
    def active(self) -> bool:
        """Whether the cluster is growing or shrinking, or demand waits for that."""
        moving = self.drains or self.cancels or any(group.launches or group.pending for group in self.groups)
        return bool(moving) or any(answer.unserved > 0 for answer in self.answers)

    def group(self, name: str) -> GroupDecision:
        """The decision for one group. Raises KeyError for a group that was not passed in."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)
