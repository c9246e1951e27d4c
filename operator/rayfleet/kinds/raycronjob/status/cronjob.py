"""`compute_status`: the fields that we own in a RayCronJob's status."""

from collections.abc import Sequence
from typing import Any

from rayfleet.api.raycronjob.status import CronJobConditionType, RayCronJobStatus, recorded
from rayfleet.engine.conditions import Condition, merged
from rayfleet.engine.outcome import Outcome
from rayfleet.kinds.raycronjob.actions import CronPlan
from rayfleet.kinds.raycronjob.manifests import write_time
from rayfleet.kinds.raycronjob.snapshot import CronSnapshot
from rayfleet.kinds.raycronjob.status.conditions import conditions
from rayfleet.kinds.raycronjob.status.record import record_after
from rayfleet.kinds.raycronjob.status.stored import active_jobs, stored


def compute_status(snapshot: CronSnapshot, plan: CronPlan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The status to store, given a snapshot taken after the plan was carried out.

    Fields that are not ours stay as they are. Nothing in it changes unless something happened.
    """
    before = recorded(snapshot.cron.status)
    if snapshot.cron.deleting or snapshot.other_operator is not None:
        return dict(before.wire)
    current = {condition.type: condition for condition in conditions(snapshot, plan, outcomes, before)}
    all_of_them = [current.get(kind) or _as_before(kind, before) for kind in CronJobConditionType]
    ours = [condition for condition in all_of_them if condition is not None]
    generation, now = snapshot.cron.generation, snapshot.now.timestamp()
    status = before.without("active", "next_schedule_time").updated(
        (
            RayCronJobStatus(
                observed_generation=generation,
                conditions=merged(before.conditions, ours, set(CronJobConditionType), generation, now),
            ),
            stored(record_after(snapshot, plan, outcomes), before),
        )
    )
    if active := active_jobs(snapshot):
        status |= RayCronJobStatus(active=active)
    if plan.next_tick is not None:
        status |= RayCronJobStatus(next_schedule_time=write_time(plan.next_tick))
    return dict(status.wire)


def _as_before(kind: CronJobConditionType, before: RayCronJobStatus) -> Condition | None:
    """A condition about which there is nothing to say."""
    was = before.condition(kind)
    return None if was is None else Condition(kind, was.holds, was.reason, was.message)
