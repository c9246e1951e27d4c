"""An operator inside the test's process, in a thread with its own event loop, that can die at any call."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import uvloop

from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.kind import decided
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.client.credentials import Credentials
from rayfleet.main import Process
from rayfleet.settings import flags as settings
from rayfleet.wiring import Operator

_PATIENCE_S = 30.0
_ROUNDS = 50
_ORDERLY_S = 8.0
"""How long it may close what it has open; it is cut off already."""
_NO_FIXED_PORTS = {
    f"RAYFLEET_{server}_{key}": value
    for server in ("HEALTH", "METRICS")
    for key, value in (("HOST", "127.0.0.1"), ("PORT", "0"))
}


class OperatorThread:
    """Runs one `Operator` until it is stopped; then only what it has written is left.

    It ends as in a crash: the caller cuts its connections first, then its tasks are cancelled, its
    sockets closed and its memory dropped.
    """

    def __init__(
        self,
        port: int,
        token: str,
        arguments: Sequence[str],
        adapt: Callable[[Operator], None] | None = None,
        decide: Callable[[Snapshot], Plan] = decided,
    ) -> None:
        """`decide` is the planner, `adapt` may look into the operator before it runs."""
        self._decide = decide
        self._credentials = Credentials(server=f"http://127.0.0.1:{port}", token=token)
        self._arguments = arguments
        self._adapt = adapt
        self._thread = threading.Thread(target=self._run, name="operator", daemon=True)
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._end: asyncio.Future[None] | None = None
        self._begun = threading.Event()
        self.operator: Operator | None = None
        self.failure: BaseException | None = None
        """Why it ended, if it did so by itself."""

    def start(self) -> None:
        self._thread.start()
        assert self._begun.wait(_PATIENCE_S), "the operator's thread did not start"

    def drop(self) -> None:
        """End it and everything in it."""
        with suppress(RuntimeError):  # It has ended already.
            self._loop.call_soon_threadsafe(self._finish)
        self._thread.join(_PATIENCE_S)
        assert not self._thread.is_alive(), "the operator's thread did not end"

    def _finish(self, *_: object) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except Exception as error:  # noqa: BLE001 - whatever it is, the test reports it
            self.failure = error
        finally:
            self._clear()
            self._loop.close()
            self._begun.set()

    async def _main(self) -> None:
        self._end = self._loop.create_future()
        given = settings.parse(self._arguments, _NO_FIXED_PORTS)
        process = Process(given, self._credentials, self._decide)
        self.operator = process.operator
        if self._adapt is not None:
            self._adapt(self.operator)
        running = asyncio.create_task(process.run(), name="the operator")
        running.add_done_callback(self._finish)
        self._begun.set()
        await self._end
        if running.done():
            self.failure = running.exception() or AssertionError(f"it ended with {running.result()}")
            return
        for task in asyncio.all_tasks():
            if task.get_name() == "kopf":
                task.cancel()  # Its end is the end of the rest.
        await asyncio.wait([running], timeout=_ORDERLY_S)

    def _clear(self) -> None:
        """Cancel everything, repeatedly if something answers a cancellation with more work."""
        for _ in range(_ROUNDS):
            tasks = asyncio.all_tasks(self._loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            # At its own end kopf cancels what is younger than itself: this, among others.
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(_shortly(tasks))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())


async def _shortly(tasks: set[asyncio.Task[Any]]) -> None:
    done, _ = await asyncio.wait(tasks, timeout=0.1)
    for task in done:
        if not task.cancelled():
            task.exception()
