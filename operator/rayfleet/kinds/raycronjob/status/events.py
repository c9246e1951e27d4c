"""Events: what a pass did and failed to do, and what has changed. Each is posted once, not in every pass."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rayfleet.api.condition import StatusCondition
from rayfleet.api.raycronjob.status import CronJobConditionType, RayCronJobStatus, recorded
from rayfleet.autoscaling.words import counted, several
from rayfleet.engine.event import Event
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import Policy, policy
from rayfleet.kinds.raycronjob.actions import MOST_COUNTED, CreateJob, DeleteJob
from rayfleet.kinds.raycronjob.snapshot import CronSnapshot
from rayfleet.kinds.raycronjob.status.conditions import MOST_NAMED, CronJobReason
from rayfleet.kube.objects.keys import JsonObject

_VALID: Final = CronJobConditionType.VALID
_SUSPENDED: Final = CronJobConditionType.SUSPENDED
_SCHEDULED: Final = CronJobConditionType.SCHEDULED


def events_of(
    snapshot: CronSnapshot, outcomes: Sequence[Outcome], before: JsonObject, after: JsonObject
) -> tuple[Event, ...]:
    """The events of a pass, given the status before it and the one stored now."""
    was, now = recorded(before), recorded(after)
    events = (*_done(outcomes), *_failed(outcomes), *_ended(snapshot, was, now), *_turned(was, now))
    return tuple(event.shortened() for event in events)


def _done(outcomes: Sequence[Outcome]) -> Iterator[Event]:
    done = [outcome.action for outcome in outcomes if isinstance(outcome, Succeeded)]
    for action in done:
        if isinstance(action, CreateJob):
            note = f"Created RayJob {action.name}: {action.reason}"
            yield Event("Normal", "CreatedRayJob", "Create", note, settles="FailedToCreateRayJob")
            if action.missed > MOST_COUNTED:
                note = f"More than {MOST_COUNTED} ticks were missed; only the last one is started"
                yield Event("Warning", "TooManyMissedTimes", "Create", note)
    deletes = Counter((action.cause.value, action.reason) for action in done if isinstance(action, DeleteJob))
    for (cause, reason), count in deletes.items():
        note = f"Deleted {counted(count, 'RayJob')}, {cause}: {reason}"
        yield Event("Normal", "DeletedRayJob", "Delete", note, settles="FailedToDeleteRayJob")


def _failed(outcomes: Sequence[Outcome]) -> Iterator[Event]:
    """The first failure of each kind; a delete that somebody else was faster with is none."""
    told = set[str]()
    for outcome in outcomes:
        action = outcome.action
        if not isinstance(outcome, Failed) or not isinstance(action, CreateJob | DeleteJob):
            continue
        verb = "Create" if isinstance(action, CreateJob) else "Delete"
        is_late = verb == "Delete" and policy(outcome.failure) in {Policy.CONFLICT, Policy.GONE}
        if verb not in told and not is_late:
            told.add(verb)
            note = f"RayJob {action.name}: {outcome.failure.message}"
            yield Event("Warning", f"FailedTo{verb}RayJob", verb, note)


def _ended(snapshot: CronSnapshot, was: RayCronJobStatus, now: RayCronJobStatus) -> Iterator[Event]:
    """RayJobs that were active and have ended since."""
    before, after = ({active.name for active in status.active} for status in (was, now))
    ended = [child for child in snapshot.children if child.finished and child.name in before - after]
    for succeeded, verb in ((True, "succeeded"), (False, "ended without success")):
        names = sorted(child.name for child in ended if child.succeeded is succeeded)
        if names:
            subject = "RayJob" if len(names) == 1 else "RayJobs"
            note = f"{subject} {several(names[:MOST_NAMED], len(names))} {verb}"
            yield Event("Normal", "SawCompletedJob", "Watch", note)


def _turned(was: RayCronJobStatus, now: RayCronJobStatus) -> Iterator[Event]:
    valid, was_valid = now.condition(_VALID), was.condition(_VALID)
    scheduled, was_scheduled = now.condition(_SCHEDULED), was.condition(_SCHEDULED)
    if valid is not None and valid.status == "False" and _text(valid) != _text(was_valid):
        yield Event("Warning", "InvalidRayCronJobSpec", "Validate", valid.message)
    if valid is not None and valid.holds and was_valid is not None and was_valid.status == "False":
        note = "The spec is valid again"
        yield Event("Normal", "ValidRayCronJobSpec", "Validate", note, settles="InvalidRayCronJobSpec")
    is_suspended, was_suspended = now.holds(_SUSPENDED), was.holds(_SUSPENDED)
    if is_suspended and not was_suspended:
        note = "Suspended: no RayJob is created, and those that run go on"
        yield Event("Normal", "SuspendedRayCronJob", "Suspend", note)
    if was_suspended and not is_suspended:
        yield Event("Normal", "ResumedRayCronJob", "Resume", "Resumed: ticks count from now on")
    before = "" if was_scheduled is None else was_scheduled.reason
    if scheduled is not None and scheduled.reason != before and scheduled.reason in _TURNS:
        kind, name = _TURNS[scheduled.reason]
        yield Event(kind, name, "Schedule", scheduled.message)


_TURNS: Final[Mapping[str, tuple[str, str]]] = {
    CronJobReason.JOB_ACTIVE: ("Normal", "JobAlreadyActive"),
    CronJobReason.MISSED: ("Warning", "MissSchedule"),
    CronJobReason.CLOCK_SET_BACK: ("Warning", "ClockSetBack"),
}
"""The type and the reason of the event when ticks are not started in time, by the reason of the condition."""


def _text(condition: StatusCondition | None) -> tuple[str, str]:
    return ("", "") if condition is None else (condition.status, condition.message)
