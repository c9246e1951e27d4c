"""Who hears of a changed answer about another operator, and what asking costs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import Answer
from rayfleet.kube.leases.other_operator import OtherOperatorWatch, OthersLeases, watch

NOW = 1_767_225_600.0
"""2026-01-01."""


class Api:
    """One Lease, if any, of a pod whose account has no rights; requests can be delayed."""

    def __init__(self) -> None:
        self.lease = True
        self.version = 0
        self.looks = 0
        self.reviewed = asyncio.Event()
        self.reviewed.set()
        self.events: list[Mapping[str, Any]] = []
        self.posted = asyncio.Event()
        self.slow: frozenset[str] = frozenset()

    async def get(self, path: str, _: Mapping[str, str] | None = None, /) -> Answer:
        await asyncio.sleep(0)
        if not path.endswith("/leases"):
            return {"spec": {"serviceAccountName": "sa"}, "status": {"phase": "Running"}}
        self.looks += 1
        own = {"namespace": "evil", "uid": "u", "resourceVersion": str(self.version)}
        held = {"metadata": own, "spec": {"holderIdentity": "pod_1"}}
        return {"items": [held] if self.lease else []}

    async def request(self, _: str, __: str, /, *, body: Mapping[str, Any]) -> Answer:
        if body["spec"]["resourceAttributes"]["namespace"] in self.slow:
            await self.reviewed.wait()
        return {"status": {"allowed": False}}

    async def create(self, _: str, body: Mapping[str, Any], /) -> Answer:
        self.events.append(body)
        await self.posted.wait()
        return ApiFailure(0, "NoAnswer", "no answer")


class Watched:
    """A watch, and the namespaces that it reported."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.reported: list[str] = []
        self.in_use: set[str] = {"team", "other", "slow"}
        client: Any = api
        self.watch = OtherOperatorWatch(
            client, (), (), self.reported.append, in_use=lambda: self.in_use, now=lambda: NOW
        )

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not what():
                await asyncio.sleep(0.001)

    async def looks(self, more: int = 2) -> None:
        """Wait for so many lists of Leases."""
        at = self.api.looks + more
        await self.until(lambda: self.api.looks >= at)


@asynccontextmanager
async def watching(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    watched = Watched(api)
    running = asyncio.create_task(watched.watch.run())
    try:
        await watched.until(watched.watch.looked.is_set)
        yield watched
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_question_does_not_consume_the_report_of_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the first pass after a change would leave out the other clusters of its namespace."""
    api = Api()
    api.slow = frozenset({"slow"})
    async with watching(api, monkeypatch) as watched:
        api.reviewed.clear()
        assert not watched.watch.known("team")
        assert not watched.watch.known("slow")
        # Its rights in one namespace are known; those in the other keep the judgement from being made.
        await watched.until(lambda: watched.watch._holders._rights["evil"]["sa"].allowed.get("team"))
        for _ in range(5):
            watched.watch.known("team")
            await asyncio.sleep(0)
        api.reviewed.set()
        await watched.until(lambda: {"team", "slow"} <= set(watched.reported))
        assert watched.watch.known("team")


async def test_a_namespace_whose_answer_changed_between_two_judgements_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pass that was held for an unknown Lease follows once the Lease counts nowhere."""
    api = Api()
    api.lease = False
    async with watching(api, monkeypatch) as watched:
        assert watched.watch.known("team")
        await watched.looks()
        api.slow = frozenset({""})
        api.reviewed.clear()
        api.lease = True
        await watched.until(lambda: not watched.watch.known("team"))
        assert not watched.reported
        api.reviewed.set()
        await watched.until(lambda: watched.reported == ["team"])
        assert watched.watch.known("team")


async def test_namespaces_without_clusters_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise namespaces of all past clusters would be reviewed without end."""
    monkeypatch.setattr(watch, "PRUNE_SECONDS", 0.0)
    async with watching(Api(), monkeypatch) as watched:
        for name in ("team", "gone"):
            watched.watch.known(name)
        await watched.until(lambda: set(watched.watch._answers) == {"team"})
        await watched.until(lambda: "gone" not in watched.watch._holders._rights["evil"]["sa"].allowed)


async def test_an_event_without_an_answer_delays_no_list_of_leases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time is the API server's, whatever the machine's clock says."""
    api = Api()
    async with watching(api, monkeypatch) as watched:
        await watched.until(lambda: api.events)
        await watched.looks(3)
        (event,) = api.events
        assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
        assert event["metadata"]["name"] == "ray-operator-leader.2026-01-01"


async def test_leases_are_sorted_once_per_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting for each question of each cluster would grow with the square of the tenants."""
    async with watching(Api(), monkeypatch) as watched:
        await watched.looks()
        counted = []
        alive = OthersLeases.alive

        def count(leases: OthersLeases) -> Mapping[str, str]:
            counted.append(leases)
            return alive(leases)

        monkeypatch.setattr(OthersLeases, "alive", count)
        for number in range(100):
            watched.watch.known(f"team-{number}")
        assert len(counted) <= 1
