"""Between the status as it is stored and what the planner remembers."""

from datetime import datetime
from typing import Final

from rayfleet.api.raycronjob.status import ActiveJob, CronJobConditionType, RayCronJobStatus
from rayfleet.kinds.raycronjob.manifests import read_time, write_time
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord, CronSnapshot

MOST_ACTIVE: Final = 100
"""Entries of `active`: a status should stay small, whatever a schedule starts."""


def record_of(status: RayCronJobStatus) -> CronRecord:
    """What a stored status remembers, whatever it holds."""
    return CronRecord(
        reported=status.condition(CronJobConditionType.VALID) is not None,
        schedule_text=status.observed_schedule,
        suspended=status.holds(CronJobConditionType.SUSPENDED),
        counted_from=read_time(status.counted_from),
        last_schedule=read_time(status.last_schedule_time),
        last_successful=read_time(status.last_successful_time),
        active=frozenset(active.name for active in status.active),
    )


def stored(record: CronRecord, before: RayCronJobStatus) -> RayCronJobStatus:
    """The fields to write. A time that is unchanged keeps the form in which somebody else has written it."""
    was = record_of(before)
    status = RayCronJobStatus(
        counted_from=_news(was.counted_from, record.counted_from),
        last_schedule_time=_news(was.last_schedule, record.last_schedule),
        last_successful_time=_news(was.last_successful, record.last_successful),
    )
    return (
        status | RayCronJobStatus(observed_schedule=record.schedule_text) if record.schedule_text else status
    )


def _news(then: datetime | None, now: datetime | None) -> str | None:
    return None if now is None or now == then else write_time(now)


def active_jobs(snapshot: CronSnapshot) -> tuple[ActiveJob, ...]:
    """The RayJobs that have not ended, the oldest first; the newest of them if they are many."""
    running = sorted((child for child in snapshot.children if child.running), key=_age)
    return tuple(ActiveJob(name=child.name, uid=child.uid) for child in running[-MOST_ACTIVE:])


def _age(child: ChildJob) -> tuple[object, str]:
    return child.tick or child.created, child.name
