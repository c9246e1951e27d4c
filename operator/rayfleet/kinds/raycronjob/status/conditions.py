"""The conditions of a RayCronJob, without their times."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from rayfleet.api.raycronjob.status import CronJobConditionType, RayCronJobStatus
from rayfleet.autoscaling.words import several
from rayfleet.engine.conditions import Condition
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.kinds.raycronjob.actions import CreateJob, CronPlan, DeleteJob, MissedTicks
from rayfleet.kinds.raycronjob.manifests import write_time
from rayfleet.kinds.raycronjob.plan.ticks import last_started, missed_ticks
from rayfleet.kinds.raycronjob.snapshot import CronSnapshot

MOST_NAMED: Final = 3
"""What a sentence names one by one."""


class CronJobReason(StrEnum):
    """Why ticks are started in time, or not."""

    VALID = "Valid"
    INVALID = "InvalidSpec"
    SUSPENDED = "Suspended"
    NOT_SUSPENDED = "NotSuspended"
    SCHEDULED = "Scheduled"
    JOB_ACTIVE = "JobAlreadyActive"
    """The last tick waits for the end of an earlier RayJob."""
    MISSED = "MissedTick"
    """It was too late for the last tick. This stays until another one is started."""
    NOT_CREATED = "FailedCreate"
    CLOCK_SET_BACK = "ClockSetBack"
    """A tick in the future has been started."""


def conditions(
    snapshot: CronSnapshot, plan: CronPlan, outcomes: Sequence[Outcome], before: RayCronJobStatus
) -> Iterator[Condition]:
    """The conditions about which there is something to say; all others stay as they are."""
    settings = snapshot.settings
    if settings is None:
        yield Condition(CronJobConditionType.VALID, False, CronJobReason.INVALID, _violations(snapshot))
        yield Condition(CronJobConditionType.SCHEDULED, False, CronJobReason.INVALID, "The spec is not valid")
        return
    yield Condition(CronJobConditionType.VALID, True, CronJobReason.VALID)
    if settings.suspended:
        words = "spec.suspend is true: no RayJob is created"
        yield Condition(CronJobConditionType.SUSPENDED, True, CronJobReason.SUSPENDED, words)
        yield Condition(CronJobConditionType.SCHEDULED, False, CronJobReason.SUSPENDED, words)
        return
    yield Condition(CronJobConditionType.SUSPENDED, False, CronJobReason.NOT_SUSPENDED)
    if plan.create is not None and not _is_created(outcomes):
        # Without a failure somebody has written first, and the next pass tries again.
        words = _failure(plan, outcomes)
        yield from [_not(CronJobReason.NOT_CREATED, words)] if words else []
    elif plan.missed is not None:
        yield _not(CronJobReason.MISSED, _too_late(plan.missed))
    elif plan.blocked_by:
        yield _not(CronJobReason.JOB_ACTIVE, _blocked(plan.blocked_by))
    elif plan.ahead is not None:
        yield _not(
            CronJobReason.CLOCK_SET_BACK,
            f"The tick at {write_time(plan.ahead)} has been started already, so until then nothing is:"
            " compare the API server's clock",
        )
    elif plan.create is not None or not _still_missed(snapshot, plan, before):
        yield Condition(CronJobConditionType.SCHEDULED, True, CronJobReason.SCHEDULED)


def _not(reason: CronJobReason, message: str) -> Condition:
    return Condition(CronJobConditionType.SCHEDULED, False, reason, message)


def _is_created(outcomes: Sequence[Outcome]) -> bool:
    return any(isinstance(o, Succeeded) and isinstance(o.action, CreateJob) for o in outcomes)


def _failure(plan: CronPlan, outcomes: Sequence[Outcome]) -> str:
    """Why the RayJob of a tick could not be created; empty if nothing says so."""
    for outcome in outcomes:
        action = outcome.action
        is_part = action == plan.create or action in plan.replaced
        if isinstance(outcome, Failed) and isinstance(action, CreateJob | DeleteJob) and is_part:
            return f"{action.name}: {outcome.failure.message}"
    return ""


def _violations(snapshot: CronSnapshot) -> str:
    listed = [str(violation) for violation in snapshot.violations[:MOST_NAMED]]
    return several(listed, len(snapshot.violations), "; ", "; ")


def _too_late(missed: MissedTicks) -> str:
    until = write_time(missed.last)
    if missed.count == 1:
        return f"The tick at {until} was not started within startingDeadlineSeconds"
    words = missed_ticks(missed.count)
    return f"{words[:1].upper()}{words[1:]} until {until} were not started within startingDeadlineSeconds"


def _blocked(names: Sequence[str]) -> str:
    listed = several(names[:MOST_NAMED], len(names))
    subject, still, end = (
        ("RayJob", "still runs", "its end") if len(names) == 1 else ("RayJobs", "still run", "their end")
    )
    return f"{subject} {listed} {still}, and concurrencyPolicy is Forbid: the last tick waits for {end}"


def _still_missed(snapshot: CronSnapshot, plan: CronPlan, before: RayCronJobStatus) -> bool:
    """Whether the last that happened is that a tick was missed."""
    condition = before.condition(CronJobConditionType.SCHEDULED)
    if condition is None or condition.reason != CronJobReason.MISSED or plan.counted_from is not None:
        return False
    started, missed = last_started(snapshot), snapshot.record.counted_from
    return started is None or missed is None or started <= missed
