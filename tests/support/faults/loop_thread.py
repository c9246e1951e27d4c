"""An event loop in a thread of its own, for work beside a test."""

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0


class LoopThread:
    """Runs coroutines for threads that have no loop."""

    def __init__(self, name: str, stay_open: int = 0) -> None:
        """`stay_open`: sockets that are not waited for at the end; gRPC keeps one for each loop."""
        self._stay_open = stay_open
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(PATIENCE_S)

    def go_on_with(self, doing: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine there and let it run until the end."""

        async def begin() -> None:
            task = asyncio.create_task(doing)
            self._tasks.add(task)

        self.run(begin())

    async def _cancel_all(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # A TLS connection that was closed waits for the other side to close it too.
        async with asyncio.timeout(PATIENCE_S):
            while len(self._selector.get_map()) > 1 + self._stay_open:  # Its own pipe.
                await asyncio.sleep(0.01)
