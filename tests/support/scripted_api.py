"""An API server of a few lines for unit tests: it answers as a test prepared it, and keeps the requests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from support.wire import Answering, Request, fails, read_request, says


@dataclass
class ScriptedApi:
    """A request for a method and a path in `answers` gets that answer, once; a read finds what is `there`.

    Otherwise a create or a patch is answered with what was sent, a delete succeeds, a list is empty, and a
    read says that the object is not there.
    """

    there: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Objects by path."""
    answers: dict[tuple[str, str], Answering] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    version: int = 2000
    """The resourceVersion of lists; objects that are written get later ones."""
    written: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[str]:
        """Methods and paths of the requests so far; a list shows its query."""
        return [f"{request.method} {_path(request)}" for request in self.requests]

    @property
    def writes(self) -> list[str]:
        """The requests that write, without those for events."""
        return [line for line in self.asked if not line.startswith("GET") and "/events" not in line]

    def bodies(self, method: str, ending: str) -> list[Any]:
        """What was sent to paths with this ending."""
        return [
            orjson.loads(r.body)
            for r in self.requests
            if r.method == method and r.target.partition("?")[0].endswith(ending)
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_request(reader):
                self.requests.append(request)
                path = request.target.partition("?")[0]
                answer = self.answers.pop((request.method, path), None) or self.usual(request, path)
                await answer(writer)
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def usual(self, request: Request, path: str) -> Answering:
        """The answer to a request for which none was prepared."""
        collection, _, name = path.removesuffix("/status").rpartition("/")
        if request.method == "GET" and path in self.there:
            return says(self.there[path])
        if request.method == "GET" and name in {"pods", "services", "rayclusters"}:
            return says({"items": [], "metadata": {"resourceVersion": str(self.version)}})
        if request.method == "GET":
            return not_there(collection.rpartition("/")[2], name)
        if request.method == "DELETE":
            return says({"kind": "Status", "status": "Success"})
        body = orjson.loads(request.body)
        self.written += 1
        number = self.written
        known = self.there.get(path.removesuffix("/status"), {})
        metadata = {**known.get("metadata", {}), "uid": f"uid-{number}", **body.get("metadata", {})}
        metadata["resourceVersion"] = str(self.version + number)
        return says({**known, **body, "metadata": metadata}, 201 if request.method == "POST" else 200)


def not_there(resource: str, name: str) -> Answering:
    """The answer for an object that is not there."""
    return fails(404, "NotFound", f'{resource} "{name}" not found', kind=resource, name=name)


def _path(request: Request) -> str:
    path, _, query = request.target.partition("?")
    return request.target if request.method == "GET" and query else path


A = TypeVar("A", bound=ScriptedApi)


@asynccontextmanager
async def scripted_api() -> AsyncIterator[ScriptedApi]:
    """The server on a free port, gone after the block."""
    async with serving(ScriptedApi()) as api:
        yield api


@asynccontextmanager
async def serving(api: A) -> AsyncIterator[A]:
    """This server on a free port, gone after the block."""
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(api.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
