"""The RayJob of a tick.

Its name is made from the tick, so that a repeated create finds the first one: a tick has one RayJob, whatever
was lost in between. As in the reference it ends with the minutes since 1970. Ticks less than a minute apart
would share such a name; theirs ends with the seconds, a number that minutes reach in the year 3871.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rayfleet.api.names import API_VERSION, Annotation, Label
from rayfleet.kinds.raycronjob.children import RAYCRONJOBS
from rayfleet.kinds.raycronjob.snapshot import CronSettings
from rayfleet.kinds.rayjob.children import RAYJOBS
from rayfleet.kube.objects.roots import Root

_MINUTE: Final = timedelta(minutes=1)
_FIRST_SECONDS: Final = 1_000_000_000
"""From this number on, the end of a name means seconds: those of 2001, or the minutes of the year 3871."""
_NUMBER: Final = re.compile(r"[0-9]{1,11}")


def job_name(cron: str, tick: datetime, gap: timedelta) -> str:
    """The name of a tick's RayJob, given the least time between two ticks."""
    seconds = int(tick.timestamp())
    return f"{cron}-{seconds if gap < _MINUTE else seconds // 60}"


def tick_of(cron: str, job: str, stamp: str | None) -> datetime | None:
    """The tick of a RayJob by its name, which nobody can change; None for another kind of name.

    `stamp`, its annotation, tells the second within the minute, if it is of that minute.
    """
    number = job.removeprefix(f"{cron}-")
    if number == job or not _NUMBER.fullmatch(number):
        return None
    if int(number) >= _FIRST_SECONDS:
        return datetime.fromtimestamp(int(number), UTC)
    minute = datetime.fromtimestamp(int(number) * 60, UTC)
    exact = read_time(stamp)
    return exact if exact is not None and minute <= exact < minute + _MINUTE else minute


def rayjob(cron: Root, settings: CronSettings, tick: datetime) -> dict[str, Any]:
    """The RayJob of a tick."""
    owner = {
        "apiVersion": API_VERSION,
        "kind": RAYCRONJOBS.kind,
        "name": cron.key.name,
        "uid": cron.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": RAYJOBS.kind,
        "metadata": {
            "name": job_name(cron.key.name, tick, settings.schedule.gap),
            "namespace": cron.key.namespace,
            "labels": {**settings.labels, Label.CRONJOB_NAME: cron.key.name},
            "annotations": {**settings.annotations, Annotation.CRONJOB_TIMESTAMP: write_time(tick)},
            "ownerReferences": [owner],
        },
        "spec": settings.template,
    }


def write_time(moment: datetime) -> str:
    """A moment as Kubernetes writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def read_time(text: str | None) -> datetime | None:
    """The moment that a status or an annotation names, in whole seconds; None if it names none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        if moment is None or moment.tzinfo is None:
            return None
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None
