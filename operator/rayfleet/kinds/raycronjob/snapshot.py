"""The planner's input: a RayCronJob and its RayJobs at one moment, as frozen values.

A tick is a moment for which a RayJob is to be created. All moments have a time zone, and ticks whole seconds.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.raycronjob.schedule import Schedule
from rayfleet.api.raycronjob.spec import ConcurrencyPolicy
from rayfleet.api.violation import Violation
from rayfleet.kube.objects.keys import JsonObject
from rayfleet.kube.objects.roots import Root


class CronSettings(Struct, frozen=True):
    """A valid spec."""

    schedule: Schedule
    schedule_text: str
    """The schedule and its time zone as they are written: another text is another schedule."""
    template: JsonObject
    """The spec of the RayJobs, as it is stored."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    suspended: bool = False
    policy: ConcurrencyPolicy = "Allow"
    starting_deadline: timedelta | None = None
    """How late a RayJob may be created; None for any time."""
    successful_limit: int | None = None
    """How many RayJobs that succeeded are kept; None for all."""
    failed_limit: int | None = None
    """How many of those that ended in another way are kept; None for all."""


class ChildJob(Struct, frozen=True):
    """A RayJob whose controller is this RayCronJob (by uid)."""

    name: str
    uid: str
    tick: datetime | None
    """The tick for which it was created, by its name (`manifests.tick_of`); None for another kind of name."""
    created: datetime
    finished: bool = False
    """It has ended for good."""
    succeeded: bool = False
    finished_at: datetime | None = None
    holds_resources: bool = False
    """Pods of it may still run, although it has finished."""
    deleting: bool = False

    @property
    def running(self) -> bool:
        """Whether it has not ended, even if it is being deleted."""
        return not self.finished


class CronRecord(Struct, frozen=True):
    """What the status remembers for the planner."""

    reported: bool = False
    """Whether this operator has written the status before."""
    schedule_text: str = ""
    """The schedule that ticks were counted by."""
    suspended: bool = False
    counted_from: datetime | None = None
    """Ticks up to then are not started any more: since then the schedule is as it is, or not suspended, or a
    tick at that moment was missed."""
    last_schedule: datetime | None = None
    """The last tick that was started."""
    last_successful: datetime | None = None
    """When a RayJob last succeeded."""
    active: frozenset[str] = frozenset()
    """Names of the RayJobs that had not ended."""


class CronSnapshot(Struct, frozen=True):
    """What one decision is based on."""

    cron: Root
    created: datetime
    """When the RayCronJob was created."""
    settings: CronSettings | None
    """None if the spec is not valid."""
    children: tuple[ChildJob, ...]
    now: datetime
    record: CronRecord = CronRecord()
    violations: tuple[Violation, ...] = ()
    """What is wrong with the spec."""
    other_operator: str | None = None
    """The live Lease of another operator of this API in our scope, as `namespace/name`."""


def is_same(one: CronSnapshot, other: CronSnapshot) -> bool:
    """Whether both lead to the same plan, unless a tick lies between them."""
    return one == replace(other, now=one.now)
