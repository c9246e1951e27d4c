"""A bounded number of places, one turn per namespace, so that no tenant's heads keep others' waiting."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rayfleet.fair_threads import Turns


class Slots:
    """`most` places, `of_one` of them for one namespace. For use in one event loop only."""

    def __init__(self, most: int, of_one: int) -> None:
        self._most = most
        self._of_one = of_one
        self._turns: Turns[asyncio.Future[None]] = Turns(0)
        self._taken: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, namespace: str) -> AsyncIterator[None]:
        """Hold a place for as long as the block runs; wait for it first."""
        turn = asyncio.get_running_loop().create_future()
        self._turns.put(namespace, turn)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(namespace)  # The turn came at the same moment.
            raise
        try:
            yield
        finally:
            self._leave(namespace)

    @property
    def taken(self) -> int:
        """The places that are held."""
        return self._taken.total()

    def _leave(self, namespace: str) -> None:
        self._taken[namespace] -= 1
        if not self._taken[namespace]:
            del self._taken[namespace]
        self._serve()

    def _serve(self) -> None:
        while self.taken < self._most:
            full = [name for name, taken in self._taken.items() if taken >= self._of_one]
            following = self._turns.take(full)
            if following is None:
                return
            namespace, turn = following
            if not turn.done():
                self._taken[namespace] += 1
                turn.set_result(None)
