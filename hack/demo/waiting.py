"""Waits that end: each has a deadline and says what it waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

from demo.errors import DemoError

_PAUSE_SECONDS = 0.5
T = TypeVar("T")


def wait_for(what: str, check: Callable[[], T | None], *, seconds: float) -> T:
    """Return the first true value of `check`. Raises DemoError that names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise DemoError(f"waited {seconds:.0f} s for {what}, in vain")
        time.sleep(_PAUSE_SECONDS)
