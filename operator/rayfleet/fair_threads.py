"""Long work in threads of its own, one turn per namespace, so that no tenant holds up another."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Generic, NamedTuple, TypeVar

THREADS: Final = 2
MOST_WAITING: Final = 32 << 20
"""Bytes of all work that waits for a thread."""

T = TypeVar("T")


class GaveWay(Exception):  # noqa: N818 - it says what became of the work
    """The work is not done because too much is waiting; the message says how much."""


class _Entry(NamedTuple, Generic[T]):
    what: T
    size: int


class Turns(Generic[T]):
    """The work that waits, one turn per namespace; within a namespace, first come, first served. No I/O.

    When it is larger than `most` in total, the namespace with the most waiting gives way.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[str, deque[_Entry[T]]] = OrderedDict()
        self._sizes: Counter[str] = Counter()
        self._all = 0

    def put(self, namespace: str, what: T, size: int = 0) -> list[T]:
        """Queue a piece of work; return what gives way, which may be this piece.

        Within a namespace the largest piece gives way, and of equals the last.
        """
        self._waiting.setdefault(namespace, deque()).append(_Entry(what, size))
        self._count(namespace, size)
        gone = []
        while self._all > self._most:
            most = max(self._sizes, key=lambda name: (self._sizes[name], name == namespace, name))
            queue = self._waiting[most]
            place = max(range(len(queue)), key=lambda at: (queue[at].size, at))
            entry = queue[place]
            del queue[place]
            if not queue:
                del self._waiting[most]
            self._count(most, -entry.size)
            gone.append(entry.what)
        return gone

    def take(self, busy: Collection[str] = ()) -> tuple[str, T] | None:
        """The next namespace that is not `busy`, and its work that has waited longest."""
        namespace = next((name for name in self._waiting if name not in busy), None)
        if namespace is None:
            return None
        queue = self._waiting.pop(namespace)
        entry = queue.popleft()
        if queue:
            self._waiting[namespace] = queue  # Back to the end of the round.
        self._count(namespace, -entry.size)
        return namespace, entry.what

    def _count(self, namespace: str, by: int) -> None:
        self._all += by
        self._sizes[namespace] += by
        if not self._sizes[namespace]:
            del self._sizes[namespace]


class FairThreads:
    """Threads for work that takes long; each namespace has one piece under way at a time.

    Python runs one thread at a time, so a second piece would only take time from others. For use in one
    event loop only.
    """

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._threads = threads
        self._most = most_waiting
        self._turns: Turns[asyncio.Future[None]] = Turns(most_waiting)
        self._busy: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, namespace: str, work: Callable[[], T], size: int = 0) -> T:
        """Return or raise what `work` does. `size` bytes wait with it; raises `GaveWay` if it is not done."""
        turn = asyncio.get_running_loop().create_future()
        for other in self._turns.put(namespace, turn, size):
            if not other.done():
                other.set_exception(GaveWay(f"more than {self._most >> 20} MiB wait to be read"))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave(namespace)  # The turn came at the same moment.
            raise
        return await self._in_thread(namespace, work)

    def close(self) -> None:
        """Start nothing more; what runs ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _in_thread(self, namespace: str, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="long-work")
        running = self._pool.submit(work)

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # The loop is closed: nobody is waiting any more.
                loop.call_soon_threadsafe(self._leave, namespace)

        # Even if the caller stops waiting, the thread is free only when its work has ended.
        running.add_done_callback(ended)
        return await asyncio.wrap_future(running)

    def _leave(self, namespace: str) -> None:
        self._busy.discard(namespace)
        self._serve()

    def _serve(self) -> None:
        while len(self._busy) < self._threads and (following := self._turns.take(self._busy)) is not None:
            namespace, turn = following
            if not turn.done():
                self._busy.add(namespace)
                turn.set_result(None)
