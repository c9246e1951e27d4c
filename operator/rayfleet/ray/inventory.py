"""What Ray keeps in its books: nodes, actors and jobs, as frozen values."""

from dataclasses import dataclass
from enum import StrEnum


class DeathCause(StrEnum):
    """Why a node is dead."""

    UNKNOWN = "UNKNOWN"
    """Ray does not say, or something that is not known to us; also of a node that lives."""
    EXPECTED_TERMINATION = "EXPECTED_TERMINATION"
    UNEXPECTED_TERMINATION = "UNEXPECTED_TERMINATION"
    DRAIN_PREEMPTED = "DRAIN_PREEMPTED"
    DRAIN_IDLE = "DRAIN_IDLE"
    """It was idle, and Ray was asked to give it up: by this operator, or by one before it."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One node that Ray has, or has had."""

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
    """The same, in Ray's words."""


class ActorState(StrEnum):
    """Where an actor stands."""

    DEPENDENCIES_UNREADY = "DEPENDENCIES_UNREADY"
    PENDING_CREATION = "PENDING_CREATION"
    ALIVE = "ALIVE"
    """Also what a state that is not known to us counts as: it may be lost."""
    RESTARTING = "RESTARTING"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """One actor."""

    actor_id: bytes
    job_id: bytes
    state: ActorState
    node_id: bytes
    """Where it runs; empty while it does not."""
    restarts_left: int | None
    """How often it may still be started anew; none: without end."""
    detached: bool
    name: str
    class_name: str
    placement_group: str
    """In hex; empty where it is in none."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """One job, that is one driver."""

    job_id: bytes
    running: bool
    started: float
    """Unix seconds, as `ended`, which is 0 while it runs."""
    ended: float
    entrypoint: str
