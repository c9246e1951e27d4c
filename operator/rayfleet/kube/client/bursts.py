"""Reading a stream in gulps while much comes.

To wake the process takes as much CPU as several events do: other processes have used its caches meanwhile. So
in a burst the stream is left unread for a moment. What comes then waits in the kernel, and is read in one go.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from math import inf
from typing import Final

import aiohttp

BURST: Final = 0.05
"""Seconds: what comes so soon after the last is a burst. A first event is read at once."""
GULP: Final = 0.03
"""Seconds for which a burst gathers, and so the longest time that an event in it is late by."""
LARGE: Final = 64 << 10
"""Bytes. After a chunk of this size more is waiting already: with pauses it would wait ever longer."""


class Bursts:
    """When to let a stream gather."""

    def __init__(self) -> None:
        self._last = -inf

    def gather_after(self, size: int, now: float) -> bool:
        """Whether to pause after a chunk of `size` bytes that was read at `now`, in monotonic seconds."""
        soon, self._last = now - self._last < BURST, now
        return soon and size < LARGE


async def gulps(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The bytes of a stream as they come; in a burst, all that has come within GULP."""
    bursts = Bursts()
    async for chunk in response.content.iter_any():
        yield chunk
        if bursts.gather_after(len(chunk), time.monotonic()):
            await _gather(response)


async def _gather(response: aiohttp.ClientResponse) -> None:
    """Leave a response unread for a moment."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    if transport is None or transport.is_closing():
        return
    transport.pause_reading()
    try:
        await asyncio.sleep(GULP)
    finally:
        if not transport.is_closing():
            transport.resume_reading()
