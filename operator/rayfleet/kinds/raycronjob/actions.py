"""The actions of a pass over a RayCronJob, and its plan."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeAlias

from msgspec import Struct

from rayfleet.engine.actions import Create, Delete
from rayfleet.kinds.rayjob.children import RAYJOBS

MOST_COUNTED: Final = 100
"""Missed ticks are counted up to here; one more stands for any larger number."""
_TAKEN: Final = "remove it, or give the RayCronJob another name"


class RemovalCause(Enum):
    """Why a RayJob is deleted."""

    HISTORY = "history limit"
    """More have finished than are to be kept."""
    REPLACED = "replaced"
    """A tick has come, and the RayJob still runs."""


class CreateJob(Struct, frozen=True):
    """Create the RayJob of a tick."""

    name: str
    tick: datetime
    body: Mapping[str, Any]
    missed: int
    """Ticks that were due before this one, and are not started."""
    reason: str

    @property
    def verb(self) -> Create:
        return Create(RAYJOBS, self.name, self.body, remedy=_TAKEN)


class DeleteJob(Struct, frozen=True):
    """Delete one RayJob, by uid."""

    name: str
    uid: str
    cause: RemovalCause
    reason: str

    @property
    def verb(self) -> Delete:
        return Delete(RAYJOBS, self.name, self.uid)


Action: TypeAlias = CreateJob | DeleteJob


class MissedTicks(Struct, frozen=True):
    """Ticks that are not started, because it is too late for all of them."""

    last: datetime
    count: int


class CronPlan(Struct, frozen=True):
    """One pass: surplus RayJobs go at once; what is replaced goes before what replaces it comes."""

    deletes: tuple[DeleteJob, ...] = ()
    """RayJobs beyond the history limits."""
    replaced: tuple[DeleteJob, ...] = ()
    create: CreateJob | None = None
    counted_from: datetime | None = None
    """To be recorded: ticks up to then are not started any more."""
    missed: MissedTicks | None = None
    blocked_by: tuple[str, ...] = ()
    """RayJobs that still run, for whose end the last tick waits."""
    ahead: datetime | None = None
    """A tick in the future that has been started, as the clock was wrong: until then nothing is started."""
    next_tick: datetime | None = None
    """When the next RayJob is due; None if nothing can be said."""
    requeue_after: float | None = None
    """Seconds until something that only time changes is due."""

    @property
    def first(self) -> tuple[Action, ...]:
        return self.deletes

    @property
    def stages(self) -> tuple[tuple[Action, ...], ...]:
        create: tuple[Action, ...] = () if self.create is None else (self.create,)
        return tuple(stage for stage in (self.replaced, create) if stage)

    @property
    def last(self) -> tuple[Action, ...]:
        return ()

    @property
    def actions(self) -> tuple[Action, ...]:
        return (*self.first, *(action for stage in self.stages for action in stage))
