"""Which tick is due, and what is done about it."""

from datetime import datetime
from typing import Final

from rayfleet.api.raycronjob.schedule import Schedule, ticks
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycronjob.actions import (
    MOST_COUNTED,
    CreateJob,
    CronPlan,
    DeleteJob,
    MissedTicks,
    RemovalCause,
)
from rayfleet.kinds.raycronjob.manifests import job_name, rayjob, write_time
from rayfleet.kinds.raycronjob.snapshot import CronSettings, CronSnapshot

_SHORTEST_WAIT: Final = 0.05
"""Seconds: a wake-up just before the tick would come to nothing."""


def last_started(snapshot: CronSnapshot) -> datetime | None:
    """The last tick that has been started, by the record or by a RayJob that is there.

    A RayJob counts, because the record of its tick may have been lost.
    """
    known = [child.tick for child in snapshot.children if child.tick is not None]
    if snapshot.record.last_schedule is not None:
        known.append(snapshot.record.last_schedule)
    return max(known, default=None)


def plan_tick(snapshot: CronSnapshot, settings: CronSettings) -> CronPlan:
    """The RayJob of the last tick, if it has none yet and is not too late.

    At most one is created, however many ticks have passed since the last one.
    """
    schedule, now, since = settings.schedule, snapshot.now, _counted_from(snapshot)
    upcoming = schedule.next_after(max(since, now))
    wait = None if upcoming is None else max((upcoming - now).total_seconds(), _SHORTEST_WAIT)
    tick = schedule.last_until(now)
    if tick is None or tick <= since:
        started = last_started(snapshot)
        ahead = started if started is not None and started > now else None
        return CronPlan(ahead=ahead, next_tick=upcoming, requeue_after=wait)
    running = [child for child in snapshot.children if child.running]
    if running and settings.policy == "Forbid":
        # The deadline is looked at once the tick could be started: until then there is nothing to record.
        return CronPlan(blocked_by=tuple(sorted(child.name for child in running)))
    if settings.starting_deadline is not None and now - tick > settings.starting_deadline:
        missed = MissedTicks(tick, _count(schedule, since, tick))
        return CronPlan(missed=missed, counted_from=tick, next_tick=upcoming, requeue_after=wait)
    replaced: tuple[DeleteJob, ...] = ()
    if settings.policy == "Replace":
        reason = f"it still ran at {write_time(tick)}, and concurrencyPolicy is Replace"
        going = [child for child in running if not child.deleting]
        replaced = tuple(DeleteJob(child.name, child.uid, RemovalCause.REPLACED, reason) for child in going)
    create = _create(snapshot, settings, tick, _count(schedule, since, tick) - 1)
    return CronPlan(replaced=replaced, create=create, next_tick=upcoming, requeue_after=wait)


def _counted_from(snapshot: CronSnapshot) -> datetime:
    """The moment up to which ticks are settled, whether they were started or not."""
    settled = [snapshot.created]
    if snapshot.record.counted_from is not None:
        # A moment in the future is that of a wrong clock. It settles nothing, as no tick was started then.
        settled.append(min(snapshot.record.counted_from, snapshot.now))
    if (started := last_started(snapshot)) is not None:
        settled.append(started)
    return max(settled)


def _create(snapshot: CronSnapshot, settings: CronSettings, tick: datetime, missed: int) -> CreateJob:
    name = job_name(snapshot.cron.key.name, tick, settings.schedule.gap)
    reason = f"it is due since {write_time(tick)}"
    if missed:
        reason += f"; {missed_ticks(missed)} before that {'was' if missed == 1 else 'were'} missed"
    return CreateJob(name, tick, rayjob(snapshot.cron, settings, tick), missed, reason)


def missed_ticks(count: int) -> str:
    """`3 ticks`."""
    return f"more than {MOST_COUNTED} ticks" if count > MOST_COUNTED else counted(count, "tick")


def _count(schedule: Schedule, since: datetime, last: datetime) -> int:
    """How many ticks there are after `since`, up to `last`; counting stops at two above the most."""
    return len(ticks(schedule, since, last, MOST_COUNTED + 2))
