"""Watches with many events are read in chunks, and others at once."""

import asyncio
import itertools
import time
from contextlib import aclosing

import orjson
import pytest

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.bursts import BURST, GULP, Bursts
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from support.wire import Answering, event, wire

PODS = "/api/v1/namespaces/ml/pods"
NUMBER = 40
APART = 0.005
"""Seconds between events of a burst."""


def bursts(number: int, apart: float, *, cut: bool = False) -> Answering:
    """A watch that sends so many events one by one."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n in range(number):
            line = event("ADDED", n=n, sent=time.monotonic())
            writer.write(b"%x\r\n%b\r\n" % (len(line), line))
            await writer.drain()
            await asyncio.sleep(apart)
        if cut:
            writer.close()
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    return answer


async def _watched(answer: Answering) -> tuple[list[object], list[float]]:
    """The events, and when each came."""
    came, at = list[object](), list[float]()
    async with (
        wire(answer) as server,
        KubeClient(Credentials(server.url)) as client,
        aclosing(client.watch(PODS)) as events,
    ):
        async for one in events:
            came.append(one)
            at.append(time.monotonic())
    return came, at


def test_only_events_in_close_succession_are_a_burst() -> None:
    seen = Bursts()
    times = (10.0, 10.0 + BURST / 2, 10.0 + BURST / 2 + GULP, 11.0, 11.0 + 2 * BURST)
    assert [seen.gather_after(1_000, now) for now in times] == [False, True, True, False, False]


def test_a_flood_is_read_without_pauses() -> None:
    """With a pause after each, chunks of 256 KiB would come at 8 MB/s, and events wait ever longer."""
    seen = Bursts()
    assert not any(seen.gather_after(256 << 10, 10.0 + n / 1_000) for n in range(100))


async def test_a_burst_is_read_completely_in_a_few_chunks() -> None:
    came, at = await _watched(bursts(NUMBER, APART))
    assert [one["object"]["n"] for one in came if isinstance(one, dict)] == list(range(NUMBER))
    # Read one by one, they would be as far apart as they were sent.
    together = sum(later - earlier < APART / 5 for earlier, later in itertools.pairwise(at))
    assert together > NUMBER / 2, together


@pytest.mark.parametrize("cut", [False, True])
async def test_a_stream_that_ends_during_a_burst_is_read_to_its_end(cut: bool) -> None:  # noqa: FBT001 - a case
    came, _ = await _watched(bursts(3, 0.0, cut=cut))
    assert [one["object"]["n"] for one in came if isinstance(one, dict)] == [0, 1, 2]
    assert isinstance(came[-1], ApiFailure) is cut


async def test_no_event_of_a_burst_waits_for_long() -> None:
    came, at = await _watched(bursts(NUMBER, APART))
    late = [now - one["object"]["sent"] for one, now in zip(came, at, strict=True) if isinstance(one, dict)]
    assert sorted(late)[NUMBER // 2] < GULP + BURST, orjson.dumps(late)
