"""The decision: `plan(snapshot) -> CronPlan`. Pure: the same snapshot gives the same plan.

# Note [What a restart must not lose]

Which ticks are settled is in the status: the last one started, and `countedFrom`. When the schedule is edited
or resumed, ticks count from then. A pass sees that by comparison with the status, which holds the schedule by
which ticks were counted, and whether it was suspended. It starts nothing then, and only records the moment.
If that write is lost, the next pass sees the same, and counts from a moment later.

A RayJob is created before its tick is recorded. If the record is lost, the RayJob itself says so by its name.
"""

from typing import Final

from msgspec.structs import replace

from rayfleet.kinds.raycronjob.actions import CreateJob, CronPlan, DeleteJob, MissedTicks, RemovalCause
from rayfleet.kinds.raycronjob.plan.history import plan_history
from rayfleet.kinds.raycronjob.plan.ticks import plan_tick
from rayfleet.kinds.raycronjob.snapshot import CronSettings, CronSnapshot

__all__ = ["CreateJob", "CronPlan", "DeleteJob", "MissedTicks", "RemovalCause", "plan"]

_SOON: Final = 1.0
"""Seconds until the pass after one that only records."""


def plan(snapshot: CronSnapshot) -> CronPlan:
    """What to do next for this RayCronJob, and why. At rest the plan has no actions."""
    settings = snapshot.settings
    if snapshot.other_operator is not None or snapshot.cron.deleting or settings is None:
        return CronPlan()
    if starts_anew(snapshot, settings):
        decided = CronPlan(counted_from=snapshot.now, requeue_after=_SOON)
    elif settings.suspended:
        decided = CronPlan()
    else:
        decided = plan_tick(snapshot, settings)
    surplus = plan_history(snapshot, settings)
    waits = [wait for wait in (decided.requeue_after, _SOON if surplus.more else None) if wait is not None]
    return replace(decided, deletes=surplus.deletes, requeue_after=min(waits, default=None))


def starts_anew(snapshot: CronSnapshot, settings: CronSettings) -> bool:
    """Whether the schedule has been edited or resumed since the status was written."""
    record = snapshot.record
    if not record.reported:
        return False
    return record.schedule_text != settings.schedule_text or (record.suspended and not settings.suspended)
