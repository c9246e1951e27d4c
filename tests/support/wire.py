"""An HTTP server that sends exactly the bytes of a test, with cuts and silences."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

Answering: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes one answer, or does something worse."""


@dataclass
class Request:
    """One request as received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """The server: each request gets the next of `answers`, and all later ones the last."""

    answers: list[Answering]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await read_request(reader):
                self.requests.append(request)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await answer(writer)
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def wire(*answers: Answering) -> AsyncIterator[Wire]:
    """A server on a free port, gone after the block."""
    running = Wire(list(answers))
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(running.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readline()
    if not head:
        return None
    method, target, _ = head.decode().split()
    headers = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([chunk async for chunk in _chunks(reader)])
    return Request(method, target, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


def says(body: object, status: int = 200, *headers: str) -> Answering:
    """A whole answer: JSON, or bytes as they are."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + raw)
        await writer.drain()

    return answer


def fails(status: int, reason: str, message: str, *headers: str, **details: object) -> Answering:
    """A failure as the API server formats it."""
    body = {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details}
    return says(body, status, *headers)


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    """The connection ends without an answer."""
    writer.close()


async def says_nothing(_: asyncio.StreamWriter) -> None:
    """The connection stays open and nothing comes."""
    await asyncio.Event().wait()


def streams(*pieces: bytes, then: str = "ends") -> Answering:
    """A watch whose bytes come in these pieces, and that then `ends`, is `cut`, or falls `silent`."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if then == "ends":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        elif then == "cut":
            writer.close()
        else:
            await says_nothing(writer)

    return answer


def event(kind: str, **fields: object) -> bytes:
    """A watch event as a line."""
    return orjson.dumps({"type": kind, "object": fields}) + b"\n"
