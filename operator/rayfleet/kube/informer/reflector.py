"""Brings one kind of object, in one namespace or in all, from the API server into a store."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.answers import failure_from_status
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.informer import machine
from rayfleet.kube.informer.machine import Phase
from rayfleet.kube.informer.sinks import Sink
from rayfleet.kube.objects.keys import JsonObject

log = logging.getLogger(__name__)

T = TypeVar("T")

PAGE = 100
"""Objects a page: unpacked, 500 pods take 20 MiB, and the process never returns memory it once needed."""
SILENCE = 90.0
"""Seconds. An API server sends a bookmark each minute, so a longer silence is a dead connection."""
SHORTEST_WATCH = 240
"""Seconds, lengthened at random to at most twice that, so that watches do not all end together."""
_VERSION = re.compile("[0-9]{1,20}")


class Source(Struct, frozen=True):
    """What is watched."""

    kind: str
    """Plural, for messages and logs."""
    path: str
    namespace: str | None = None
    """None means all."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    """`labelSelector`, `fieldSelector`."""
    optional: bool = False
    """Whether the operator can do without this kind."""
    namespaced: bool = True
    """Whether its objects are in namespaces."""

    @property
    def description(self) -> str:
        if not self.namespaced:
            return self.kind
        return f"{self.kind} in {f'namespace {self.namespace}' if self.namespace else 'all namespaces'}"


class Clockwork(Struct, frozen=True):
    """A clock and a source of randomness."""

    clock: Callable[[], float]
    """Monotonic seconds."""
    jitter: Callable[[], float]
    """A random number from 0 up to 1."""
    silence: float = SILENCE
    """Seconds without an event or a bookmark after which a watch counts as dead."""


class Reflector(Generic[T]):
    """Lists and watches, whatever happens; the machine decides what to do next.

    What it reads goes into `sink`. `on_step` is called after each step of the machine.
    """

    def __init__(
        self,
        client: KubeClient,
        source: Source,
        sink: Sink[T],
        clockwork: Clockwork,
        *,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._source = source
        self._sink = sink
        self._clockwork = clockwork
        self._on_step = on_step
        self._state, self._next = machine.start(optional=source.optional)
        self._heard: float | None = None
        self._version = 0

    @property
    def source(self) -> Source:
        return self._source

    @property
    def synced(self) -> bool:
        """Whether it has listed, so that what the store lacks does not exist."""
        return self._state.synced

    @property
    def refused(self) -> bool:
        """Whether the server last answered a list with "forbidden" or "not found"."""
        return self._state.refused

    @property
    def available(self) -> bool:
        """False for an optional kind that is absent or forbidden."""
        return self._state.phase is not Phase.UNAVAILABLE

    @property
    def age(self) -> float | None:
        """Seconds since the last event, bookmark or list; None before the first."""
        return None if self._heard is None else self._clockwork.clock() - self._heard

    @property
    def error(self) -> str:
        """What is wrong; empty if nothing is."""
        return f"{self._source.description}: {self._state.error}" if self._state.error else ""

    @property
    def gaps(self) -> int:
        """Rises when the watch may have missed events, and again when a list has made up for it.

        A watch that was cut and resumed where it was is not a gap.
        """
        return self._state.gaps

    @property
    def losses(self) -> int:
        """How many times the watch may have missed events; one list makes up for each."""
        return self._state.losses

    @property
    def relists(self) -> int:
        """Lists after the first."""
        return max(self._state.lists - 1, 0)

    async def run(self) -> None:
        """Follow the source until cancelled."""
        while True:
            match self._next:
                case machine.List(whole):
                    self._step(await self._list(whole=whole))
                case machine.Watch(version):
                    self._step(await self._watch(version))
                case machine.Wait(seconds):
                    await asyncio.sleep(seconds * (1 + self._clockwork.jitter()) / 2)
                    self._step(machine.Waited())
                case machine.GoOn():
                    raise AssertionError("unreachable: only `Opened` goes on, and it happens within a watch")

    def _step(self, happened: machine.Input) -> None:
        before, (self._state, effect) = self._state, machine.step(self._state, happened)
        if not isinstance(effect, machine.GoOn):
            self._next = effect
        if self._state.error and self._state.error != before.error:
            level = logging.INFO if self._state.phase is Phase.UNAVAILABLE else logging.WARNING
            log.log(level, "Trouble with %s", self.error)
        elif before.error and not self._state.error:
            log.info("Recovered: %s", self._source.description)
        self._on_step()

    async def _list(self, *, whole: bool) -> machine.Input:
        seen = version = self._version
        objects: list[T] = []
        pages = self._client.list_pages(self._source.path, self._source.selectors, limit=0 if whole else PAGE)
        async with aclosing(pages):
            async for page in pages:
                if isinstance(page, ApiFailure):
                    return machine.ListFailed(page)
                objects += self._sink.trimmed(page.items)
                self._heard = self._clockwork.clock()
                version = page.resource_version
        self._version = version
        self._sink.replace(objects, version, seen=seen)
        return machine.Listed(version)

    async def _watch(self, version: int) -> machine.Input:
        self._version = version
        opened: float | None = None

        def on_open() -> None:
            nonlocal opened
            opened = self._clockwork.clock()
            self._step(machine.Opened())

        def lived() -> float:
            return 0.0 if opened is None else self._clockwork.clock() - opened

        seconds = SHORTEST_WATCH + int(SHORTEST_WATCH * self._clockwork.jitter())
        parameters = {
            **self._source.selectors,
            "resourceVersion": str(version),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        silence = self._clockwork.silence
        events = self._client.watch(self._source.path, parameters, silence=silence, on_open=on_open)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ApiFailure):
                    return machine.WatchFailed(self._version, lived(), event)
                self._heard = self._clockwork.clock()
                trouble = self._take(event)
                if trouble is not None:
                    return machine.StreamBroken(self._version, lived(), trouble)
        return machine.WatchEnded(self._version, lived())

    def _take(self, event: Mapping[str, Any]) -> ApiFailure | None:
        """Store one event; return the failure if it says that the stream is broken."""
        kind, obj = event.get("type"), event.get("object")
        if not isinstance(obj, dict):
            return ApiFailure(0, "BadEvent", f"an event without an object, of type {kind}")
        if kind == "ERROR":
            return failure_from_status(obj)
        version = _version(obj)
        if kind == "BOOKMARK":
            if version < self._version:
                return ApiFailure(410, "Rewound", f"the server's history went back to {version}")
        elif kind == "DELETED":
            self._sink.remove(obj, version)
        else:
            self._sink.apply(obj, version, born=kind == "ADDED")
        self._version = max(self._version, version)
        return None


def _version(obj: JsonObject) -> int:
    metadata = obj.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
    return int(version) if isinstance(version, str) and _VERSION.fullmatch(version) else 0
