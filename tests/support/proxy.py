"""A TCP proxy between a client and an API server, whose connections a test can cut, refuse or hold up."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

T = TypeVar("T")

PIECE = 64 * 1024
PATIENCE_S = 10.0


class TcpProxy:
    """Forwards bytes between a port on 127.0.0.1 and a server, until a test interferes.

    It runs in a thread of its own, so that a test may be written with or without asyncio.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self.port = 0
        self.accepted = 0
        """Connections, since the start."""

    def start(self) -> None:
        """Listen on a free port, and forward."""
        self._thread.start()
        self.accept()

    def stop(self) -> None:
        """Cut everything and end the thread."""
        self._run(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection; new ones are welcome."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Reset every connection and listen no more: the next is refused."""
        self._run(self._refuse())

    def stall(self) -> None:
        """Hold every byte back, both ways; connections stay, and new ones are accepted, to no avail."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def accept(self) -> None:
        """Listen and forward again, and first what was held back."""
        self._run(self._accept())

    @property
    def connections(self) -> int:
        """Client connections that are open."""
        return len(self._tasks)

    def kubeconfig(self, original: Path, to: Path) -> Path:
        """A copy of a kubeconfig, at `to`, whose servers are reached through this proxy."""
        config = yaml.safe_load(original.read_text())
        for entry in config["clusters"]:
            entry["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        to.write_text(yaml.safe_dump(config))
        return to

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(PATIENCE_S)

    async def _accept(self) -> None:
        self._flowing.set()
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", self.port))
            self._listening.setblocking(False)
            self.port = self._listening.getsockname()[1]
            self._loop.add_reader(self._listening, self._welcome, self._listening)

    def _welcome(self, listening: socket.socket) -> None:
        client, _ = listening.accept()
        self.accepted += 1
        task = self._loop.create_task(self._forward(client))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, client))

    def _ended(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # Maybe before it began, so that nobody else closes this.
            client.close()

    async def _refuse(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        await self._cut()

    async def _cut(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, client: socket.socket) -> None:
        writers = []
        try:
            reader, writer = await asyncio.open_connection(sock=client)
            writers.append(writer)
            there, back = await asyncio.open_connection(*self._target)
            writers.append(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            for end in writers:
                end.close()
                await end.wait_closed()
        except OSError:
            pass  # One side has gone; so does the other.
        finally:
            for end in writers:
                _reset(end)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(PIECE):
            await self._flowing.wait()
            sink.write(piece)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


def _reset(end: asyncio.StreamWriter) -> None:
    """Close at once and tell the other side so: what is not read yet is lost, as when a machine dies."""
    if not end.transport.is_closing():
        linger = struct.pack("ii", 1, 0)
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    end.transport.abort()


@contextmanager
def tcp_proxy(server: str) -> Iterator[TcpProxy]:
    """A proxy in front of the server at this URL, gone after the block."""
    address = urlsplit(server)
    assert address.hostname is not None
    assert address.port is not None
    proxy = TcpProxy(address.hostname, address.port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
