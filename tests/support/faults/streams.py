"""The events of a watch on their way through the proxy, and their faults."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from support.faults.rules import StreamFaults

HELD_BACK = 0.3
"""Seconds that an event waits at most for another to overtake it."""
MISSED_UNTIL = 0.8
"""Seconds between an event that is missed and the end of its stream."""
GONE = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Expired",
    "code": 410,
    "message": "too old resource version",
}


class StreamCutError(Exception):
    """The connection is to be cut here."""


class Disturbance:
    """Decides what happens to one event after another."""

    def __init__(self, faults: StreamFaults, rng: random.Random) -> None:
        self._faults = faults
        self._rng = rng
        self._waiting: list[bytes] = []
        self._ends_at: float | None = None
        self.over = False
        """The stream ends after the last line returned."""
        self.silent = False
        self.cut = False

    @property
    def wakes_up(self) -> bool:
        """Whether it may return lines even if no event comes."""
        return bool(self._waiting) or self._ends_at is not None

    def lateness(self) -> float:
        """Seconds by which the next event is late."""
        return self._rng.uniform(0, self._faults.late_seconds) if self._happens(self._faults.late) else 0.0

    def pass_time(self, now: float) -> list[bytes]:
        """The lines to send if no event has come for a while."""
        if self._ends_at is not None and now >= self._ends_at:
            self.over = True
            return [gone()]
        said, self._waiting = self._waiting, []
        return said

    def take(self, line: bytes, now: float) -> list[bytes]:
        """The lines to send when an event comes."""
        faults = self._faults
        if self._ends_at is not None:
            # What comes after a missed event is missed too: no stream goes on with a hole in it.
            return self.pass_time(now)
        if self._happens(faults.miss):
            self._ends_at = now + MISSED_UNTIL
            return []
        said, self._waiting = self._waiting, []
        self.silent = self._happens(faults.silent)
        self.cut = self._happens(faults.cut)
        self.over = self._happens(faults.gone)
        if self.silent or self.cut or self.over:
            return [*said, gone()] if self.over else said
        if not said and self._happens(faults.reorder):
            self._waiting = [line]
            return []
        return [line, line, *said] if self._happens(faults.double) else [line, *said]

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._rng.random() < chance


async def faulty(
    lines: AsyncIterator[bytes], faults: StreamFaults, rng: random.Random
) -> AsyncGenerator[bytes, None]:
    """The lines of a watch, with faults. Raises StreamCutError where the stream is cut."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    reading = asyncio.create_task(_read(lines, queue))
    clock = asyncio.get_running_loop().time
    disturbance = Disturbance(faults, rng)
    try:
        while not disturbance.over:
            try:
                line = await asyncio.wait_for(queue.get(), HELD_BACK if disturbance.wakes_up else None)
            except TimeoutError:
                said = disturbance.pass_time(clock())
            else:
                if line is None:
                    return
                while faults.wait_for is not None and not faults.wait_for():
                    await asyncio.sleep(0.02)
                await asyncio.sleep(disturbance.lateness())
                said = disturbance.take(line, clock())
            for each in said:
                yield each
            if disturbance.cut:
                raise StreamCutError
            if disturbance.silent:
                await asyncio.Event().wait()
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def _read(lines: AsyncIterator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    try:
        async for line in lines:
            queue.put_nowait(line)
    finally:
        queue.put_nowait(None)


def gone() -> bytes:
    """An event that says that the requested history is gone."""
    return json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n"
