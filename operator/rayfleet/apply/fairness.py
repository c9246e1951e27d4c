"""A bounded number of writes in flight, shared fairly between clusters."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rayfleet.snapshot import Key


class FairGate:
    """Lets `limit` holders in at a time; those who wait are served a turn a cluster.

    - A cluster that wants 1,000 writes takes turns with one that wants 2.
    - Within a cluster it is first come, first served.
    - A waiter that is cancelled gives its place to the next; a turn is never lost.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: OrderedDict[Key, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, key: Key) -> AsyncIterator[None]:
        """Wait for a place and hold it inside the block."""
        await self._enter(key)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, key: Key) -> None:
        if self._free > 0:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # The turn came at the same moment.
                self._leave()
            raise

    def _leave(self) -> None:
        """Hand the place to the cluster that has waited longest since its last turn."""
        while self._waiting:
            key, places = self._waiting.popitem(last=False)
            place = places.popleft()
            if places:
                self._waiting[key] = places  # Back to the end of the round.
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
