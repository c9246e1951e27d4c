"""Ticks of `@every`: at whole periods after a start that never changes.

The reference adds the period to the last tick. Counted from a fixed start, ticks are at the same times
whoever counts them, and whatever has become of the last one.
"""

from datetime import datetime, timedelta

from msgspec import Struct


class PeriodicSchedule(Struct, frozen=True):
    """A tick after each period."""

    gap: timedelta
    """The period."""
    start: datetime
    """The first tick is one period later. Its time zone is UTC, and it has no fraction of a second."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first tick after `moment`; None if there is none before the year 10,000."""
        return self._tick(max((moment - self.start) // self.gap, 0) + 1)

    def last_until(self, moment: datetime) -> datetime | None:
        """The last tick at or before `moment`; None if there has been none."""
        count = (moment - self.start) // self.gap
        return self._tick(count) if count > 0 else None

    def _tick(self, count: int) -> datetime | None:
        try:
            return self.start + count * self.gap
        except OverflowError:
            return None
