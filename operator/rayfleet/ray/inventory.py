"""What Ray lists: nodes, actors and jobs, as frozen values."""

from enum import StrEnum

from msgspec import Struct


class DeathCause(StrEnum):
    """Why a node is dead."""

    UNKNOWN = "UNKNOWN"
    """Ray does not say, or reports a cause that we do not know; also for a live node."""
    EXPECTED_TERMINATION = "EXPECTED_TERMINATION"
    UNEXPECTED_TERMINATION = "UNEXPECTED_TERMINATION"
    DRAIN_PREEMPTED = "DRAIN_PREEMPTED"
    DRAIN_IDLE = "DRAIN_IDLE"
    """It was idle, and Ray was asked to drain it, by this operator or a previous one."""


class NodeInfo(Struct, frozen=True):
    """One node that Ray has or has had."""

    node_id: bytes
    instance_id: str
    """The pod's name."""
    group: str
    ip: str
    alive: bool
    head: bool
    started: float
    """Unix seconds, as `ended`, which is 0 while it lives."""
    ended: float
    cause: DeathCause
    """Why it died."""
    death: str
    """Ray's message about it."""


class ActorState(StrEnum):
    """The state of an actor."""

    DEPENDENCIES_UNREADY = "DEPENDENCIES_UNREADY"
    PENDING_CREATION = "PENDING_CREATION"
    ALIVE = "ALIVE"
    """Also stands for a state that we do not know, as there may be something to lose."""
    RESTARTING = "RESTARTING"
    DEAD = "DEAD"


class ActorInfo(Struct, frozen=True):
    """One actor."""

    actor_id: bytes
    job_id: bytes
    state: ActorState
    node_id: bytes
    """The node it runs on; empty while it does not run."""
    restarts_left: int | None
    """How many more times it may be restarted; None means without limit."""
    detached: bool
    name: str
    class_name: str
    placement_group: str
    """Its id in hex; empty if the actor is in none."""


class JobInfo(Struct, frozen=True):
    """One job, that is, one driver."""

    job_id: bytes
    running: bool
    started: float
    """Unix seconds, as `ended`, which is 0 while it runs."""
    ended: float
    entrypoint: str
