"""An engine that serves greetings, and its API server over HTTP, which keeps and shows writes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

import orjson
import pytest

from rayfleet.api.names import Annotation
from rayfleet.engine import loop as engine_loop
from rayfleet.engine.children import Child, Stores
from rayfleet.engine.kind import Kind
from rayfleet.engine.loop import Loop, Setup
from rayfleet.engine.outcome import Outcome
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.informer import served
from rayfleet.kube.leases import elector
from rayfleet.kube.leases.lease import Timing
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.resources import LEASES
from support.greeting_kind import CARD, CONFIG_MAPS, GREETINGS, LABEL, greetings
from support.scripted_api import ScriptedApi, not_there, serving
from support.scripted_watch import until
from support.wire import Answering, Request, fails, says

NAMESPACE: Final = "ml"
KEY: Final = Key("Greeting", NAMESPACE, "hello")
GREETING: Final = GREETINGS.path(NAMESPACE, "hello")
STATUS: Final = f"{GREETING}/status"
CARDS: Final = CONFIG_MAPS.collection(NAMESPACE)
CARD_PATH: Final = CONFIG_MAPS.path(NAMESPACE, "hello")
MADE: Final = f"POST {CARDS}"
REPORTED: Final = f"PATCH {STATUS}"
"""The writes by which a greeting gets its card and its status."""
LEASE: Final = LEASES.path(NAMESPACE, "rayfleet-leader")
_GUARDS: Final = {"uid", "resourceVersion"}


@dataclass
class GreetingApi(ScriptedApi):
    """Gives prepared answers; others as an API server does, whose watches show each write at once."""

    streams: defaultdict[str, list[asyncio.Queue[bytes]]] = field(default_factory=lambda: defaultdict(list))
    """The streams of those who watch, by plural."""
    history: list[tuple[int, str, bytes]] = field(default_factory=list)
    """What watches have shown: resourceVersion, plural, event."""

    def write(self, text: str, *, name: str = "hello", generation: int = 1, **metadata: object) -> None:
        """A user writes a greeting with this text."""
        own = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "generation": generation}
        body = {"apiVersion": GREETINGS.api_version, "kind": "Greeting", "spec": {"text": text}}
        path = GREETINGS.path(NAMESPACE, name)
        status = self.there.get(path, {}).get("status", {})
        self._keep(path, {**body, "metadata": own | metadata, "status": status})

    def replace(self, path: str, obj: Mapping[str, Any]) -> None:
        """Somebody else writes an object."""
        self._keep(path, obj)

    def remove(self, path: str) -> None:
        """Somebody deletes an object."""
        gone = self.there.pop(path)
        self._show("DELETED", path, self._newer(gone))

    def remove_unseen(self, path: str) -> None:
        """Somebody deletes an object, and no watch has shown it yet."""
        del self.there[path]
        self.version += 1

    def rewrite_unseen(self, text: str) -> None:
        """A user changes the greeting, and no watch has shown it yet."""
        changed = {**self.there[GREETING], "spec": {"text": text}}
        generation = changed["metadata"]["generation"] + 1
        self.there[GREETING] = self._newer(
            {**changed, "metadata": {**changed["metadata"], "generation": generation}}
        )

    @property
    def status(self) -> Mapping[str, Any]:
        """The greeting's status."""
        status: Mapping[str, Any] = self.there.get(GREETING, {}).get("status", {})
        return status

    @property
    def said(self) -> object:
        """The text in the greeting's status."""
        return self.status.get("said")

    def count(self, line: str) -> int:
        """How often this request was sent."""
        return sum(each.startswith(line) for each in self.asked)

    def usual(self, request: Request, path: str) -> Answering:
        if path in {GREETINGS.root, CONFIG_MAPS.root}:
            return says({"resources": [{"name": GREETINGS.plural}]})
        if "watch=true" in request.target:
            return self._watch(path.rpartition("/")[2], parse_qs(request.target.partition("?")[2]))
        if request.method == "GET":
            return self._read(path)
        if "/events" in path:
            return says({"kind": "Event"}, 201)
        body = orjson.loads(request.body)
        if request.method == "POST":
            return self._create(f"{path}/{body['metadata']['name']}", body)
        return self._change(request.method, path.removesuffix("/status"), body)

    def _read(self, path: str) -> Answering:
        if path in self.there:
            return says(self.there[path])
        collection, _, name = path.rpartition("/")
        if name in {GREETINGS.plural, CONFIG_MAPS.plural}:
            items = [obj for place, obj in self.there.items() if place.rpartition("/")[0].endswith(name)]
            return says({"items": items, "metadata": {"resourceVersion": str(self.version)}})
        return not_there(collection.rpartition("/")[2], name)

    def _create(self, path: str, body: Mapping[str, Any]) -> Answering:
        if path in self.there:
            return fails(409, "AlreadyExists", "it is there")
        self.written += 1
        own = {"uid": f"uid-{self.written}", "namespace": NAMESPACE}
        return says(self._keep(path, {**body, "metadata": own | body["metadata"]}), 201)

    def _change(self, method: str, path: str, body: Any) -> Answering:  # noqa: ANN401 - JSON
        known = self.there.get(path)
        if known is None:
            return not_there(*path.rsplit("/", 2)[1:])
        if isinstance(body, list):
            return says(self._keep(path, known))
        metadata = known["metadata"]
        guard = body.get("preconditions") if method == "DELETE" else body.get("metadata")
        if any(str(metadata.get(name)) != value for name, value in (guard or {}).items() if name in _GUARDS):
            return fails(409, "Conflict", "somebody has written first")
        if method == "DELETE":
            self.remove(path)
            return says({"kind": "Status", "status": "Success"})
        changed = {**known, **body, "metadata": metadata | body.get("metadata", {})}
        return says(self._keep(path, changed))

    def _keep(self, path: str, obj: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = self._newer(obj)
        self._show("MODIFIED" if path in self.there else "ADDED", path, kept)
        self.there[path] = kept
        return kept

    def _newer(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _show(self, kind: str, path: str, obj: Mapping[str, Any]) -> None:
        plural = path.rpartition("/")[0].rpartition("/")[2]
        line = orjson.dumps({"type": kind, "object": obj}) + b"\n"
        self.history.append((self.version, plural, line))
        for stream in self.streams[plural]:
            stream.put_nowait(line)

    def _watch(self, plural: str, query: Mapping[str, list[str]]) -> Answering:
        stream = asyncio.Queue[bytes]()
        for version, of, line in self.history:
            if of == plural and version > int(query["resourceVersion"][0]):
                stream.put_nowait(line)
        self.streams[plural].append(stream)

        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                piece = await stream.get()
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()

        return answer


def written(text: str = "hi", **metadata: Any) -> GreetingApi:
    """A server that has a greeting before an engine starts."""
    api = GreetingApi()
    api.write(text, **metadata)
    return api


def card(text: str = "hi", **metadata: object) -> dict[str, Any]:
    """The greeting's ConfigMap with this text."""
    owner = {"kind": "Greeting", "name": "hello", "uid": "uid-hello", "controller": True}
    own = {
        "name": "hello",
        "namespace": NAMESPACE,
        "uid": "uid-card",
        "resourceVersion": "5",
        "labels": {LABEL: "hello"},
        "annotations": {Annotation.TEMPLATE_HASH: text},
        "ownerReferences": [{"apiVersion": GREETINGS.api_version, **owner}],
    }
    return {"kind": "ConfigMap", "metadata": own | metadata, "data": {"text": text}}


def hurry_engine(patch: pytest.MonkeyPatch) -> None:
    """Shorten the waits for the Lease, for discovery and for the first retry of a pass to 20 ms."""
    patch.setattr(elector, "Timing", partial(Timing, renew_every=0.02, retry_every=0.02))
    patch.setattr(served, "POLL_SECONDS", 0.02)
    patch.setattr(engine_loop, "FIRST_BACKOFF", 0.02)


@dataclass
class Engine:
    """A running engine."""

    api: GreetingApi
    loop: Loop
    outcomes: list[Outcome] = field(default_factory=list)
    """The outcomes of all actions that were tried."""

    @property
    def writes(self) -> list[str]:
        """The requests that write, without those for the Lease and events."""
        return [line for line in self.api.writes if "/leases" not in line]

    async def at_rest(self) -> None:
        """Wait until no pass runs or is about to."""
        await until("the queue to be empty", lambda: self.loop.started.is_set() and not self.loop.queue.depth)


KindOf: TypeAlias = Callable[[Stores], Kind[Any, Any, Any]]


@asynccontextmanager
async def greeting_engine(
    kind: KindOf = greetings,
    *,
    api: GreetingApi | None = None,
    children: Sequence[Child[Any]] = (CARD,),
    is_known: Callable[[str], bool] = lambda _: True,
    concurrency: int = 8,
) -> AsyncIterator[Engine]:
    """An engine of this kind and its API server, until the end of the block."""
    async with serving(api or GreetingApi()) as server:
        setup = Setup("us", (), NAMESPACE, write_concurrency=concurrency)
        loop = Loop(Credentials(server.url), setup, (GREETINGS,), children, is_known=is_known)
        engine = Engine(server, loop)
        loop.serve(kind(loop.stores), on_outcome=engine.outcomes.append)
        nothing_else = asyncio.Event()
        nothing_else.set()
        running = [asyncio.create_task(part) for part in loop.parts(nothing_else.wait).values()]
        try:
            yield engine
        finally:
            await loop.stop_work(0.0)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await loop.close()
