"""Scrapes by many, by fast ones, by slow ones, and by those that hang up."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from msgspec.structs import fields
from prometheus_client import CollectorRegistry

from rayfleet.telemetry.metrics import Exposition, MetricsServer, server
from rayfleet.telemetry.metrics.scrapes import GOOD_FOR_SECONDS, Scrapes
from support.builders import cluster
from support.operator_process import free_ports
from support.scraping import OPEN_METRICS, PLAIN_TEXT, Scene


class Paused:
    """An exposition whose rendering can be paused and counted."""

    def __init__(self, clusters: int = 1) -> None:
        self.scene = Scene()
        self.now, self.made, self.at_once, self.most = 0.0, 0, 0, 0
        for number in range(clusters):
            self.scene.store(cluster(name=f"demo-{number}", uid=f"uid-{number}"))
        self.scrapes = Scrapes(self.scene.exposition(pause=self._pause), clock=lambda: self.now)

    async def _pause(self) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        self.made += 1

    async def text(self, accept: str = PLAIN_TEXT) -> str:
        return b"".join((await self.scrapes.answer(accept)).parts).decode()


async def test_many_that_ask_at_once_get_one_exposition() -> None:
    """Each format has one, and they are rendered one after the other."""
    paused = Paused()
    alone = Paused()
    await alone.text()
    texts = await asyncio.gather(*(paused.text(PLAIN_TEXT) for _ in range(20)))
    assert len(set(texts)) == 1
    assert (paused.made, paused.most) == (alone.made, 1)
    await asyncio.gather(*(paused.text(accept) for accept in (OPEN_METRICS, PLAIN_TEXT) * 5))
    assert (paused.made, paused.most) == (2 * alone.made, 1)


async def test_an_answer_is_reused_for_a_second_and_no_longer() -> None:
    """A scrape interval is longer, so Prometheus sees the current state."""
    paused = Paused()
    first = await paused.text()
    paused.scene.leading = False
    paused.now = GOOD_FOR_SECONDS - 0.01
    assert await paused.text() == first
    paused.now = GOOD_FOR_SECONDS
    assert "rayfleet_leader 0.0" in await paused.text()


async def test_no_answer_is_kept_longer_than_it_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    """For 1,000 clusters it is more than a megabyte."""
    monkeypatch.setattr("rayfleet.telemetry.metrics.scrapes.GOOD_FOR_SECONDS", 0.01)
    paused = Paused()
    await paused.text()
    async with asyncio.timeout(5):
        while paused.scrapes._recent:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/openmetrics-text;version=999.0.0;escaping=values", "application/openmetrics-text"),
        ("application/openmetrics-text;version=x", "application/openmetrics-text"),
        ("text/html, application/openmetrics-text;q=0.1", "application/openmetrics-text"),
        ("text/plain;version=x", "text/plain"),
        ("text/plain;version=1.0.0;escaping=dots", "text/plain"),
        ("", "text/plain"),
    ],
)
async def test_there_are_two_formats_whatever_is_requested(accept: str, content_type: str) -> None:
    """The client may invent versions: each would be another text to render, or an error."""
    paused = Paused()
    await paused.text(content_type)
    made = paused.made
    answer = await paused.scrapes.answer(accept)
    assert answer.content_type.split(";")[0] == content_type
    assert paused.made == made


class Long(Exposition, frozen=True):
    """An exposition as long as that of very many clusters."""

    async def _parts(self, encode: Callable[[CollectorRegistry], bytes]) -> AsyncGenerator[bytes, None]:
        yield encode(self.registry)
        for _ in range(32):
            yield b"#" * 1024 * 1024


def _long(of: Exposition) -> Exposition:
    return Long(**{each.name: getattr(of, each.name) for each in fields(of)})


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[MetricsServer, int]]:
    """A metrics server whose answers are longer than a connection buffers, and its port."""
    (port,) = free_ports(1)
    running = MetricsServer("127.0.0.1", port, _long(Scene().exposition()))
    await running.start()
    try:
        yield running, port
    finally:
        await running.stop()


async def hanging(port: int) -> socket.socket:
    """A connection with a request that reads nothing, with minimal room for the answer."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    peer.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, ("127.0.0.1", port))
    await loop.sock_sendall(peer, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await loop.sock_recv(peer, 16)
    return peer


async def is_served(port: int) -> bool:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return len(await answer.read()) > 32 * 1024 * 1024


async def test_a_peer_that_hangs_up_causes_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """It resets the connection during an answer. The next request is answered."""
    caplog.set_level(logging.INFO)
    async with serving() as (_, port):
        for _ in range(3):
            peer = await hanging(port)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            peer.close()
        assert await is_served(port)
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]


async def test_a_peer_that_reads_nothing_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It delays nobody else meanwhile."""
    monkeypatch.setattr(server, "LONGEST_SECONDS", 0.3)
    async with serving() as (running, port):
        with await hanging(port):
            monkeypatch.setattr(server, "LONGEST_SECONDS", 60.0)  # For the other one, who reads.
            assert await is_served(port)
            async with asyncio.timeout(5):
                while running.connections:
                    await asyncio.sleep(0.01)
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]
