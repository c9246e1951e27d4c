"""The API server's time, which objects' timestamps carry, advanced by our own monotonic clock.

An operator whose clock is 20 minutes off would take each pod to be 20 minutes old, or not yet created.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

TOLERANCE: Final = 5.0
"""Seconds by which the clocks of several API servers may differ, besides the time on the network."""
IN_A_ROW: Final = 3
"""Answers in a row that must disagree with our time before it is changed; the first one alone is believed."""
LATEST: Final = 10.0
"""Seconds. The date of an answer that took longer is ignored."""


class ServerClock:
    """Fed with the `Date` of each answer. Setting the machine's clock does not move it."""

    def __init__(
        self,
        unix: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._offset = unix() - monotonic()
        self._heard = False
        self._in_a_row = 0

    def now(self) -> float:
        """Unix seconds."""
        return self._monotonic() + self._offset

    def begin(self) -> float:
        """The value to pass to `hear` with the answer to a request that is sent now."""
        return self._monotonic()

    def hear(self, date: str | None, sent: float) -> None:
        """Use the `Date` of an answer, which was set between the request and now."""
        server, received = _unix(date) if date else None, self._monotonic()
        if server is None or received - sent > LATEST:
            return
        # A date is truncated to whole seconds.
        earliest, latest = server - received, server + 1 - sent
        if earliest - TOLERANCE <= self._offset <= latest + TOLERANCE:
            self._heard, self._in_a_row = True, 0
            return
        self._in_a_row += 1
        if not self._heard or self._in_a_row >= IN_A_ROW:
            self._heard, self._in_a_row = True, 0
            self._offset = (earliest + latest) / 2


@lru_cache(4)
def _unix(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
