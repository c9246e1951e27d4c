"""A bounded number of writes in flight, shared fairly between clusters."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from rayfleet.snapshot import Key

YIELDING_SHARE = 8
"""While both kinds wait, one turn in so many goes to a write that yields."""

_Round: TypeAlias = OrderedDict[Key, deque[asyncio.Future[None]]]


class FairGate:
    """Lets `limit` holders in at a time; those who wait are served a turn a cluster.

    - A cluster that wants 1,000 writes takes turns with one that wants 2.
    - Within a cluster it is first come, first served.
    - A write that yields, as what only reports does, lets others go first, but is never starved.
    - A waiter that is cancelled gives its place to the next; a turn is never lost.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: _Round = OrderedDict()
        self._yielding: _Round = OrderedDict()
        self._turns = 0

    @property
    def crowded(self) -> bool:
        """Whether writes wait that do not yield."""
        return bool(self._waiting)

    @asynccontextmanager
    async def turn(self, key: Key, *, yields: bool = False) -> AsyncIterator[None]:
        """Wait for a place and hold it inside the block."""
        await self._enter(key, self._yielding if yields else self._waiting)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, key: Key, queue: _Round) -> None:
        if self._free > 0:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        queue.setdefault(key, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # The turn came at the same moment.
                self._leave()
            raise

    def _leave(self) -> None:
        """Hand the place to the cluster that has waited longest since its last turn."""
        self._turns += 1
        while queue := self._next():
            key, places = queue.popitem(last=False)
            place = places.popleft()
            if places:
                queue[key] = places  # Back to the end of the round.
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _next(self) -> _Round:
        if self._turns % YIELDING_SHARE == 0:
            return self._yielding or self._waiting
        return self._waiting or self._yielding
