"""RayCronJobs, their RayJobs and snapshots with sensible defaults: a test says only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from rayfleet.api.raycronjob.schedule import parse_schedule, time_zone
from rayfleet.api.raycronjob.spec import ConcurrencyPolicy
from rayfleet.kinds.raycronjob.manifests import job_name, tick_of
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord, CronSettings, CronSnapshot
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root

CREATED = datetime(2027, 3, 1, 8, 30, 13, tzinfo=UTC)
TEMPLATE = {"entrypoint": "python train.py", "rayClusterSpec": {"headGroupSpec": {}}}
UID = "7c1e0000-0000-4000-8000-00000000c401"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(text: str) -> datetime:
    """A moment of March 2027 in UTC: `02 10:00`, `02 10:00:30`."""
    return datetime.fromisoformat(f"2027-03-{text}").replace(tzinfo=UTC)


def settings(schedule: str = "0 * * * *", *, zone: str | None = None, **fields: Any) -> CronSettings:
    """The settings of a RayCronJob, hourly if nothing else is said."""
    parsed = parse_schedule(schedule, time_zone(zone), CREATED)
    given: dict[str, Any] = {"schedule": parsed, "schedule_text": schedule, "template": TEMPLATE}
    return CronSettings(**(given | fields))


def cron(name: str = "nightly", *, deleting: bool = False) -> Root:
    """A stored RayCronJob."""
    key = Key("RayCronJob", "ml", name)
    return Root(key, UID, 1000, 1, deleting, {}, {}, {}, {})


def job(tick: datetime, *, gap: timedelta = MINUTE, **fields: Any) -> ChildJob:
    """The RayJob of a tick, which runs if nothing else is said."""
    name = job_name("nightly", tick, gap)
    given: dict[str, Any] = {
        "name": name,
        "uid": f"uid-{name}",
        "tick": tick_of("nightly", name, tick.isoformat()),
        "created": tick,
    }
    return ChildJob(**(given | fields))


def done(tick: datetime, *, succeeded: bool = True, **fields: Any) -> ChildJob:
    """The RayJob of a tick, which has ended a minute later and left nothing behind."""
    return job(tick, finished=True, succeeded=succeeded, finished_at=tick + MINUTE, **fields)


def record(last: datetime | None = None, schedule: str = "0 * * * *", **fields: Any) -> CronRecord:
    """What the status of an hourly RayCronJob remembers after this tick."""
    given: dict[str, Any] = {"reported": True, "schedule_text": schedule, "last_schedule": last}
    return CronRecord(**(given | fields))


def snapshot(now: datetime, given: CronSettings | None, *children: ChildJob, **fields: Any) -> CronSnapshot:
    """A RayCronJob and its RayJobs at `now`."""
    usual: dict[str, Any] = {"cron": cron(), "created": CREATED}
    return CronSnapshot(settings=given, children=children, now=now, **(usual | fields))


ALLOW, FORBID, REPLACE = get_args(ConcurrencyPolicy)
