"""The status of a RayCronJob, as it is read, written, and described in the CRD."""

from enum import StrEnum
from typing import Annotated

from rayfleet.api.condition import StatusCondition
from rayfleet.api.status_model import Generation, ListKey, StatusPart, Text, Time


class CronJobConditionType(StrEnum):
    """The conditions of a RayCronJob."""

    VALID = "Valid"
    """The stored spec can be acted on."""
    SUSPENDED = "Suspended"
    """No RayJob is created, because the spec says so; the planner reads here what it said before."""
    SCHEDULED = "Scheduled"
    """RayJobs are created in time; the reason says why not."""


class ActiveJob(StatusPart):
    """A RayJob that has not ended."""

    __slots__ = ()

    name: Annotated[Text, "Its name."] = ""
    uid: Annotated[Text, "Its uid."] = ""


class RayCronJobStatus(StatusPart):
    """The status of a RayCronJob."""

    __slots__ = ()

    active: Annotated[tuple[ActiveJob, ...], "The RayJobs that have not ended."] = ()
    last_schedule_time: Annotated[
        Time, "The time by the schedule for which a RayJob was last created, which may have been later."
    ] = None
    last_successful_time: Annotated[Time, "When a RayJob last succeeded."] = None
    next_schedule_time: Annotated[
        Time, "When the next RayJob is due; absent while that depends on something else than time."
    ] = None
    observed_schedule: Annotated[Text, "The schedule that is followed, with its time zone."] = ""
    counted_from: Annotated[
        Time,
        "Up to this time no RayJob is due any more: the schedule was edited or resumed then, or it became too"
        " late for a RayJob of this time.",
    ] = None
    observed_generation: Annotated[Generation, "Generation of the spec that this status is about."] = None
    conditions: Annotated[
        tuple[StatusCondition, ...], ListKey("type"), "The conditions of the RayCronJob."
    ] = ()

    def condition(self, kind: CronJobConditionType) -> StatusCondition | None:
        """The first condition of this type."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def holds(self, kind: CronJobConditionType) -> bool:
        """Whether a condition is True."""
        return any(condition.type == kind and condition.holds for condition in self.conditions)


def recorded(status: object) -> RayCronJobStatus:
    """A stored status. Does not raise, whatever it holds."""
    return RayCronJobStatus.recorded(status)
