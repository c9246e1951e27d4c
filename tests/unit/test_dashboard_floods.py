"""A head that sends without end, or in the costliest form, does not keep the event loop busy."""

import asyncio
import contextlib
import resource
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, thread_time

import pytest
import uvloop

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard.client import JobsClient

MIB = 1 << 20
_OK = b"HTTP/1.1 200 OK\r\n"
FLOODS: Mapping[str, tuple[bytes, bytes]] = {
    "interim responses": (b"", b"HTTP/1.1 102 P\r\n\r\n"),
    "interim responses with headers": (
        b"",
        b"HTTP/1.1 103 P\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(120)) + b"\r\n",
    ),
    "headers": (_OK, b"A: b\r\n"),
    "one header": (_OK + b"A: ", b"x"),
    "cookies": (_OK, b"Set-Cookie: " + b"a=b; " * 1600 + b"\r\n"),
    "chunks of one byte": (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "one chunk's extension": (_OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "blanks": (_OK + b"Content-Length: 100000000\r\n\r\n", b" "),
    "a body without an end": (_OK + b"\r\n", b" "),
}
"""How each begins, and what then comes again and again."""


@dataclass
class Flood:
    """A server that sends as fast as it can."""

    address: str
    sent: int = 0
    """Bytes, with what is still in buffers."""


@contextmanager
def flooding(begin: bytes, unit: bytes) -> Iterator[Flood]:
    """A server in a thread of its own; each connection is flooded until it is cut."""
    piece = unit * (200_000 // len(unit))
    sockets: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))
    flood = Flood(f"127.0.0.1:{server.getsockname()[1]}")

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                sockets.append(client)
                with contextlib.suppress(OSError):
                    client.recv(65536)
                    client.sendall(begin)
                    while True:
                        client.sendall(piece)
                        flood.sent += len(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield flood
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for each in sockets:
            each.close()
        thread.join(5)


async def _longest_turn(longest: list[float]) -> None:
    """The most CPU time between two turns of the event loop."""
    last = thread_time()
    while True:
        await asyncio.sleep(0)
        now = thread_time()
        longest[0] = max(longest[0], now - last)
        last = now


async def _asked(address: str) -> tuple[DashboardFailure, float]:
    client = JobsClient(address)
    longest = [0.0]
    watching = asyncio.create_task(_longest_turn(longest))
    try:
        found = await client.list_jobs({"a"})
    finally:
        watching.cancel()
        await client.close()
    assert isinstance(found, DashboardFailure)
    return found, longest[0]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_cut_soon_and_takes_only_short_turns_of_the_loop(flood: str, loop: str) -> None:
    """With uvloop, and without a meter, interim responses hold it for seconds and take 200 MiB."""
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with flooding(*FLOODS[flood]) as server, asyncio.Runner(loop_factory=factory) as runner:
        began = monotonic()
        cpu = thread_time()
        failure, longest = runner.run(_asked(server.address))
        taken = thread_time() - cpu
    assert failure.trouble in {DashboardTrouble.TOO_LARGE, DashboardTrouble.INVALID}, failure
    assert monotonic() - began < 2
    assert longest < 0.05, f"{longest * 1000:.0f} ms"
    assert taken < 0.25, f"{taken * 1000:.0f} ms"
    assert server.sent < 10 * MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10
