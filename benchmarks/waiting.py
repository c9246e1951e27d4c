"""Waits with a deadline that say what they waited for."""

import asyncio
import time
from collections.abc import Callable

LOOK_EVERY = 0.01
"""Seconds. The awaited event has its own time stamp, so this adds nothing to a figure."""


class TooLongError(Exception):
    """Something did not happen in time."""


async def until(
    what: str, look: Callable[[], object], *, seconds: float, why: Callable[[], str] | None = None
) -> None:
    """Wait until `look` is true. Raises TooLongError that names `what`."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise TooLongError(
                f"timed out after {seconds:.0f} s waiting for {what}{': ' + why() if why else ''}"
            )
        await asyncio.sleep(LOOK_EVERY)
