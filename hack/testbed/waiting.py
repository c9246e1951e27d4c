"""Waits that end: each has a deadline and says what it waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

from testbed.errors import TestbedError

PAUSE_SECONDS = 0.05
T = TypeVar("T")


def wait_for(
    what: str,
    check: Callable[[], T | None],
    *,
    seconds: float,
    why: Callable[[], str] | None = None,
    pause: float = PAUSE_SECONDS,
) -> T:
    """Return the first true value of `check`, asked every `pause` seconds.

    Raises TestbedError that names `what`, and adds `why()`, once `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            reason = f": {why()}" if why else ""
            raise TestbedError(f"timed out after {seconds:.0f} s waiting for {what}{reason}")
        time.sleep(pause)
