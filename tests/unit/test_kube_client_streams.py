"""Lists and watches of the API client, against a server with scripted answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import uvloop

from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kube.client.answers import Listing
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from support.wire import Answering, Wire, event, fails, says, says_nothing, streams, wire

PODS = "/api/v1/namespaces/ml/pods"


@asynccontextmanager
async def _client(server: Wire, **options: Any) -> AsyncIterator[KubeClient]:
    async with KubeClient(Credentials(server.url), **options) as client:
        yield client


async def _watched(client: KubeClient, **options: Any) -> list[Any]:
    async with aclosing(client.watch(PODS, {"resourceVersion": "7"}, **options)) as events:
        return [item async for item in events]


async def test_watches_never_delay_a_write() -> None:
    """They have connections of their own."""
    async with (
        wire(streams(event("BOOKMARK"), then="silent"), streams(then="silent"), says({}, 201)) as server,
        _client(server, connections=1) as client,
        aclosing(client.watch(PODS)) as first,
    ):
        await anext(first)
        second = asyncio.ensure_future(_watched(client, silence=60))
        async with asyncio.timeout(10):
            while len(server.requests) < 2:
                await asyncio.sleep(0)
        assert await client.create(PODS, {}, within=5) == {}
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)


async def test_a_list_comes_in_pages_of_one_version() -> None:
    pages = [
        says({"metadata": {"resourceVersion": "9", "continue": "more"}, "items": [{"n": 1}]}),
        says({"metadata": {"resourceVersion": "9"}, "items": [{"n": 2}]}),
    ]
    async with wire(*pages) as server, _client(server) as client:
        assert await client.list_all(PODS, {"labelSelector": "a=b"}) == Listing([{"n": 1}, {"n": 2}], 9)

        assert [request.target.partition("?")[2] for request in server.requests] == [
            "labelSelector=a%3Db&limit=500",
            "labelSelector=a%3Db&limit=500&continue=more",
        ]


async def test_a_list_whose_pages_expire_is_read_without_pages() -> None:
    answers = [
        says({"metadata": {"resourceVersion": "9", "continue": "more"}, "items": [{"n": 1}]}),
        fails(410, "Expired", "the continue parameter is too old"),
        says({"metadata": {"resourceVersion": "12"}, "items": [{"n": 1}, {"n": 2}]}),
    ]
    async with wire(*answers) as server, _client(server) as client:
        assert await client.list_all(PODS) == Listing([{"n": 1}, {"n": 2}], 12)

        assert "limit" not in server.requests[2].target


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (fails(403, "Forbidden", "no"), Policy.DENIED),
        (says({"kind": "Pod"}), Policy.RETRY),
        (says({"metadata": {"resourceVersion": "9"}, "items": {}}), Policy.RETRY),
    ],
    ids=["refused", "no list", "no items"],
)
async def test_a_list_that_fails_is_a_failure(answer: Answering, expected: Policy) -> None:
    async with wire(answer) as server, _client(server) as client:
        listed = await client.list_all(PODS)

        assert isinstance(listed, ApiFailure)
        assert policy(listed) is expected


async def test_an_empty_list_may_have_null_items() -> None:
    """Go writes an empty slice as null."""
    empty = says({"metadata": {"resourceVersion": "9"}, "items": None})
    async with wire(empty) as server, _client(server) as client:
        assert await client.list_all(PODS) == Listing([], 9)


async def test_a_list_of_metadata_requests_only_metadata() -> None:
    empty = says({"metadata": {"resourceVersion": "9"}, "items": []})
    async with wire(empty) as server, _client(server) as client:
        await client.list_metadata(PODS)

        assert "PartialObjectMetadataList" in server.requests[0].headers["accept"]


async def test_a_watch_yields_its_events_and_ends_quietly() -> None:
    opened: list[bool] = []
    events = event("ADDED", a=1) + event("BOOKMARK", b=2)
    async with wire(streams(events[:5], events[5:])) as server, _client(server) as client:
        assert await _watched(client, on_open=lambda: opened.append(True)) == [
            {"type": "ADDED", "object": {"a": 1}},
            {"type": "BOOKMARK", "object": {"b": 2}},
        ]
        assert server.requests[0].target == f"{PODS}?resourceVersion=7&watch=true"
        assert (opened, client.calls.by_verb_and_code) == ([True], {("watch", 200): 1})


@pytest.mark.parametrize(("then", "reason"), [("cut", "NoAnswer"), ("silent", "Silent")])
async def test_the_end_of_a_watch_has_its_reason(then: str, reason: str) -> None:
    """It comes after all received events."""
    async with wire(streams(event("ADDED", a=1), then=then)) as server, _client(server) as client:
        first, last = await _watched(client, silence=0.2)

        assert first == {"type": "ADDED", "object": {"a": 1}}
        assert isinstance(last, ApiFailure)
        assert (last.status, last.reason) == (0, reason)


@pytest.mark.parametrize("line", [b"<html>\n", b"17\n"], ids=["no JSON", "no object"])
async def test_a_watch_with_an_invalid_line_is_a_failure(line: bytes) -> None:
    async with wire(streams(line)) as server, _client(server) as client:
        (last,) = await _watched(client)

        assert isinstance(last, ApiFailure)
        assert policy(last) is Policy.RETRY


async def test_a_watch_that_is_refused_is_a_failure() -> None:
    async with wire(fails(410, "Expired", "too old resource version")) as server, _client(server) as client:
        assert await _watched(client) == [ApiFailure(410, "Expired", "too old resource version")]


async def test_a_watch_that_is_never_answered_times_out() -> None:
    async with wire(says_nothing) as server, _client(server, timeout=0.1) as client:
        (last,) = await _watched(client)

        assert isinstance(last, ApiFailure)
        assert last.reason == "Timeout"


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_watch_takes_objects_of_three_megabytes_on_either_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """They are cut anywhere, with small events right before and after."""
    large = event("MODIFIED", data="x" * 3_000_000)
    raw = event("ADDED", n=1) + large + event("DELETED", n=2)
    pieces = [raw[at : at + 65_000] for at in range(0, len(raw), 65_000)]

    async def watched() -> list[Any]:
        async with wire(streams(*pieces)) as server, _client(server) as client:
            return await _watched(client)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        first, second, third = runner.run(watched())

    assert (first["object"], third["object"]) == ({"n": 1}, {"n": 2})
    assert len(second["object"]["data"]) == 3_000_000
