"""What kopf tells of reaches the work queue, and nothing else of kopf does."""

import asyncio
from contextvars import ContextVar

from rayfleet.handlers import outside_of_the_handler
from rayfleet.snapshot import Key

KEY = Key("ns", "a")


async def test_what_a_handler_starts_does_not_keep_the_event_it_was_called_for() -> None:
    """Neither a task nor a timer: they go on for as long as the cluster is there."""
    event: ContextVar[object] = ContextVar("event", default=None)
    seen: list[object] = []
    both = asyncio.Event()

    def look() -> None:
        seen.append(event.get())
        if len(seen) == 2:
            both.set()

    async def work() -> None:
        look()

    tasks: list[asyncio.Task[None]] = []

    def wake(key: Key) -> None:
        assert key == KEY
        tasks.append(asyncio.create_task(work()))
        asyncio.get_running_loop().call_soon(look)

    event.set({"object": "a whole cluster"})
    outside_of_the_handler(wake)(KEY)
    await asyncio.wait_for(both.wait(), 1)
    assert seen == [None, None]
