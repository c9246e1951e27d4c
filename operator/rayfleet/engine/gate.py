"""A bounded number of writes in flight, shared fairly between clusters."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

from rayfleet.kube.objects.keys import Key

YIELDING_SHARE = 16
"""While both kinds wait, one turn in this many goes to a write that yields."""

_Round: TypeAlias = OrderedDict[Key, deque[asyncio.Future[None]]]


class FairGate:
    """Lets `limit` holders in at a time; the clusters that wait take turns.

    - A cluster that wants 1,000 writes takes turns with one that wants 2, and never has more than
      `per_cluster` in flight: the fewer the API server works on, the sooner it answers the other's.
    - Within a cluster, writes are first come, first served.
    - A write that yields (a report) lets others go first, including those announced by `coming`, but is never
      starved: neither by others that write nor by announced ones that never come.
    - A cancelled waiter passes its place to the next; a turn is never lost.
    """

    def __init__(self, limit: int, per_cluster: int | None = None) -> None:
        self._limit = limit
        self._per_cluster = limit if per_cluster is None else per_cluster
        self._inside: Counter[Key] = Counter()
        self._free = limit
        self._coming = 0
        self._waiting: _Round = OrderedDict()
        self._yielding: _Round = OrderedDict()
        self._turns = 0

    @property
    def crowded(self) -> bool:
        """Whether writes that do not yield wait or are announced."""
        return bool(self._waiting or self._coming)

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Announce that the block prepares a write that does not yield."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._serve()

    @asynccontextmanager
    async def turn(self, key: Key, *, yields: bool = False) -> AsyncIterator[bool]:
        """Wait for a place and hold it inside the block; the value is whether there was a wait."""
        waited = await self._enter(key, self._yielding if yields else self._waiting)
        try:
            yield waited
        finally:
            self._leave(key)

    async def _enter(self, key: Key, queue: _Round) -> bool:
        place = asyncio.get_running_loop().create_future()
        queue.setdefault(key, deque()).append(place)
        self._serve()
        if place.done():
            return False
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # The turn came just as we were cancelled.
                self._leave(key)
            raise
        return True

    def _leave(self, key: Key) -> None:
        self._free += 1
        self._inside[key] -= 1
        if not self._inside[key]:
            del self._inside[key]
        self._serve()

    def _serve(self) -> None:
        """Give each free place to the cluster that has waited longest since its last turn."""
        while self._free > 0 and (following := self._next()):
            queue, key = following
            places = queue.pop(key)
            place = places.popleft()
            if places:
                queue[key] = places  # Back to the end of the round.
            if not place.done():
                self._free -= 1
                self._inside[key] += 1
                self._turns += 1
                place.set_result(None)

    def _next(self) -> tuple[_Round, Key] | None:
        """The cluster whose turn it is, and its round."""
        # Yielding writes wait for announced ones only while other writes are in flight.
        put_off = self._coming > 0 and self._free < self._limit
        rounds = [self._waiting] if put_off else [self._waiting, self._yielding]
        if self._turns % YIELDING_SHARE == 0:
            rounds.insert(0, self._yielding)
        for queue in rounds:
            for key in queue:
                if self._inside[key] < self._per_cluster:
                    return queue, key
        return None
