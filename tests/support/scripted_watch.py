"""An informer whose API server answers as scripted, on values: no connection, and waits of milliseconds."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from rayfleet.engine.children import Child, Stores, Wakes, followed, stores_for
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.children import CHILDREN, RAYCLUSTERS
from rayfleet.kube.client.answers import Listing
from rayfleet.kube.informer import Clockwork, Health, Informer, machine
from rayfleet.kube.objects.keys import Key

FORBIDDEN = ApiFailure(403, "Forbidden", "you may not")
ILL = ApiFailure(500, "InternalError", "etcd is away")


@dataclass
class Server:
    """An API server's answers by kind and namespace (`pods red`), or kind; other lists are empty."""

    lists: dict[str, Listing | ApiFailure] = field(default_factory=dict)
    watches: dict[str, asyncio.Queue[dict[str, Any] | ApiFailure]] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )
    listed: list[str] = field(default_factory=list)

    async def list_pages(
        self, path: str, _: Mapping[str, str], *, limit: int
    ) -> AsyncGenerator[Listing | ApiFailure, None]:
        assert limit
        place = _place(path)
        self.listed.append(place)
        yield self.lists.get(place, Listing([], 1))

    async def watch(
        self, path: str, _: Mapping[str, str], *, silence: float, on_open: Callable[[], None]
    ) -> AsyncGenerator[dict[str, Any] | ApiFailure, None]:
        assert silence
        while True:
            event = await self.watches[_place(path)].get()
            if not isinstance(event, ApiFailure):
                on_open()
            yield event
            if isinstance(event, ApiFailure):
                return

    def send(self, place: str, *events: dict[str, Any] | ApiFailure) -> None:
        """Send an event to everybody who watches a kind in a namespace."""
        for event in events:
            self.watches[place].put_nowait(event)


def _place(path: str) -> str:
    parts = path.split("/")
    return f"{parts[-1]} {parts[parts.index('namespaces') + 1] if 'namespaces' in parts else ''}".strip()


@dataclass
class Following:
    server: Server
    stores: Stores
    informer: Informer
    woken: list[Key]
    readable: list[str | None]
    now: list[float]

    def health(self, namespace: str | None, kind: str = "rayclusters") -> Health:
        (found,) = (h for h in self.informer.health if (h.kind, h.namespace) == (kind, namespace))
        return found


@asynccontextmanager
async def following(
    server: Server, *namespaces: str, children: Iterable[Child[Any]] = CHILDREN
) -> AsyncIterator[Following]:
    """The informer of the operator, until the end of the block."""
    woken, readable, now, served = list[Key](), list[str | None](), [0.0], asyncio.Event()
    each = tuple(children)
    stores = stores_for((RAYCLUSTERS,), each)
    what = tuple(followed((RAYCLUSTERS,), each, stores, Wakes(woken.append, woken.append, woken.append)))
    clockwork = Clockwork(lambda: now[0], jitter=lambda: 0.0)
    client: Any = server
    informer = Informer(client, namespaces, what, on_readable=readable.append, clockwork=clockwork)
    running = asyncio.create_task(informer.run(served))
    served.set()
    try:
        yield Following(server, stores, informer, woken, readable, now)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(what: str, look: Callable[[], object]) -> None:
    """Wait until `look` is true; fails, naming `what`, after 5 s."""
    try:
        async with asyncio.timeout(5):
            while not look():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"timed out after 5 s waiting for {what}") from None


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Shorten the waits of the informer to milliseconds."""
    for name, seconds in (
        ("FIRST_WAIT", 0.002),
        ("LONGEST_WAIT", 0.01),
        ("LONGEST_REFUSED_WAIT", 0.01),
        ("UNAVAILABLE_WAIT", 0.01),
    ):
        patch.setattr(machine, name, seconds)
