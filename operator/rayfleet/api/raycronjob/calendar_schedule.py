"""Ticks at local times of a time zone.

Clocks are set forward and back. A local time that is left out has no tick. Of one that comes twice, the first
has the tick, so that a nightly job runs once a night. A schedule of every hour goes on through both: it is
about how often, and an hour without its ticks would be a gap.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from rayfleet.api.raycronjob.cron_fields import CronFields

_SECOND: Final = timedelta(seconds=1)
_NO_TIME: Final = timedelta(0)
_MOST_TRIED: Final = 2000
"""Local times to look at for one tick: more than the minutes of a day, by which clocks change at most."""
_SOME_DAY: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - a local time of no zone


class CalendarSchedule(Struct, frozen=True):
    """Ticks at the times of a cron expression."""

    fields: CronFields
    zone: ZoneInfo
    gap: timedelta = timedelta(minutes=1)
    """Two ticks are at least this far apart."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first tick after `moment`, in UTC; None if there is none before the year 10,000."""
        try:
            return self._next_after(moment.astimezone(self.zone))
        except (OverflowError, ValueError):
            return None

    def last_until(self, moment: datetime) -> datetime | None:
        """The last tick at or before `moment`, in UTC; None if there is none after the year 1."""
        try:
            return self._last_until(moment.astimezone(self.zone))
        except (OverflowError, ValueError):
            return None

    def _next_after(self, moment: datetime) -> datetime | None:
        # Before the clocks are set back, times that will come again may be earlier on the clock.
        start = moment.replace(tzinfo=None) - (_NO_TIME if moment.fold else _repeated(moment))
        again: datetime | None = None
        for time in islice(self._local_times(start), _MOST_TRIED):
            first, second = self._ticks_at(time)
            if first is not None and first > moment:
                return first if again is None else min(first, again)
            if again is None and second is not None and second > moment:
                again = second
        return again

    def _last_until(self, moment: datetime) -> datetime | None:
        # After the clocks were set back, times that are still to come again have been once.
        start = moment.replace(tzinfo=None) + (_repeated(moment) if moment.fold else _NO_TIME)
        once: datetime | None = None
        for time in islice(self._local_times(start, back=True), _MOST_TRIED):
            first, second = self._ticks_at(time)
            last = second or first
            if last is not None and last <= moment:
                return last if once is None else max(last, once)
            if once is None and first is not None and first <= moment:
                once = first
        return once

    def _local_times(self, start: datetime, *, back: bool = False) -> Iterator[datetime]:
        """The local times after `start`; with `back`, those at or before it, the last first."""
        start = start.replace(microsecond=0, fold=0)
        return CronSim(self.fields.expression, start + _SECOND if back else start, reverse=back)

    def _ticks_at(self, time: datetime) -> tuple[datetime | None, datetime | None]:
        """The ticks at a local time: none if it is left out; the second if it comes twice and both count."""
        second = self._instant(time.replace(fold=1)) if self.fields.has_each_hour else None
        return self._instant(time), second

    def _instant(self, time: datetime) -> datetime | None:
        """The moment of a local time; None if there is no such moment."""
        instant = time.replace(tzinfo=self.zone).astimezone(UTC)
        local = instant.astimezone(self.zone)
        same = local.replace(tzinfo=None) == time and local.fold == time.fold
        return instant if same else None


def names_a_date(fields: CronFields) -> bool:
    """Whether there is any date that matches; there is no February 30."""
    try:
        return next(CronSim(fields.expression, _SOME_DAY), None) is not None
    except CronSimError:
        return False


def _repeated(moment: datetime) -> timedelta:
    """How far the clocks are set back, if the local time of `moment` comes twice; else zero."""
    first, second = moment.replace(fold=0).utcoffset(), moment.replace(fold=1).utcoffset()
    return max(first - second, _NO_TIME) if first is not None and second is not None else _NO_TIME
