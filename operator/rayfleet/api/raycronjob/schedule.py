"""The schedule of a RayCronJob: its text, its time zone, and its ticks."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rayfleet.api.go_duration import NANOSECONDS, nanoseconds
from rayfleet.api.raycronjob.calendar_schedule import CalendarSchedule, names_a_date
from rayfleet.api.raycronjob.cron_fields import parse_fields
from rayfleet.api.raycronjob.periodic_schedule import PeriodicSchedule

Schedule: TypeAlias = CalendarSchedule | PeriodicSchedule
"""Has `next_after(moment)` and `last_until(moment)`, in which moments have a time zone and ticks are in UTC,
and `gap`, the least time between two ticks."""

LONGEST_SCHEDULE: Final = 256
"""Characters."""
SHORTEST_PERIOD: Final = timedelta(seconds=10)
"""Of `@every`: each tick creates an object, from which a cluster is started."""
_EVERY: Final = "@every "
_DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_DEFAULT_ZONE: Final = "UTC"
_ZONE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
"""Database names. Files beside them, such as `posix/Europe/Berlin` and `localtime`, do not begin so."""
_LONGEST_ZONE_NAME: Final = 64
_NOT_ZONES: Final = frozenset({"Local", "Factory"})


def parse_schedule(text: str, zone: ZoneInfo | None = None, start: datetime = _EPOCH) -> Schedule:
    """The schedule that `text` describes, by the clocks of `zone`; without a zone, by UTC.

    `@every` counts its periods from `start`, which is to be the creation of the object.
    Raises ValueError with a message for the user, which follows the name of the field.
    """
    if len(text) > LONGEST_SCHEDULE:
        raise ValueError(f"is longer than {LONGEST_SCHEDULE} characters; use ranges and steps")
    if "TZ" in text:
        raise ValueError("contains TZ; set spec.timeZone instead")
    if text.startswith(_EVERY):
        return PeriodicSchedule(
            _period(text.removeprefix(_EVERY)), start.astimezone(UTC).replace(microsecond=0)
        )
    if text.startswith("@") and text not in _DESCRIPTORS:
        known = ", ".join(_DESCRIPTORS)
        raise ValueError(f"is no descriptor that is known; use {known} or @every with a duration")
    fields = parse_fields(_DESCRIPTORS.get(text, text))
    if not names_a_date(fields):
        raise ValueError("never comes: no month that it names has such a day; name another day or month")
    return CalendarSchedule(fields, zone or time_zone(None))


def time_zone(name: str | None) -> ZoneInfo:
    """The time zone of this name in the IANA database; UTC if it is not set.

    Raises ValueError with a message for the user, which follows the name of the field.
    """
    if name is None:
        return ZoneInfo(_DEFAULT_ZONE)
    # The name becomes part of a path.
    if len(name) <= _LONGEST_ZONE_NAME and _ZONE_NAME.fullmatch(name) and name not in _NOT_ZONES:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # OSError: it is the name of a folder, such as Europe.
    shown = f"is {name[:_LONGEST_ZONE_NAME]!r}" if name else "is empty"
    raise ValueError(
        f"{shown}; use a name of the IANA database such as Europe/Berlin, or leave it out for UTC"
    )


def ticks(schedule: Schedule, after: datetime, until: datetime, at_most: int) -> tuple[datetime, ...]:
    """The ticks after `after` and at or before `until`, the first ones if there are more than `at_most`."""
    found: list[datetime] = []
    tick = schedule.next_after(after)
    while tick is not None and tick <= until and len(found) < at_most:
        found.append(tick)
        tick = schedule.next_after(tick)
    return tuple(found)


def _period(text: str) -> timedelta:
    """Whole seconds: a fraction is left out."""
    period = timedelta(seconds=nanoseconds(text) // NANOSECONDS)
    if period < SHORTEST_PERIOD:
        shortest = f"{SHORTEST_PERIOD.total_seconds():.0f}"
        raise ValueError(f"has a period of less than {shortest} seconds; use @every {shortest}s or longer")
    return period
