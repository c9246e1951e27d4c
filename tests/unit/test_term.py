"""Terms as the leader: no decision of one is written in the next, and clusters younger than one."""

import asyncio
from contextlib import suppress
from math import inf
from sys import maxsize

import pytest

from rayfleet.engine import term as module
from rayfleet.engine.term import Term
from rayfleet.kinds.raycluster.children import RAYCLUSTERS
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from support.scripted_api import ScriptedApi, scripted_api
from support.wire import fails, says, says_nothing

CLUSTERS = "/apis/ray.io/v1/rayclusters"
OF = "/apis/ray.io/v1/namespaces/{}/rayclusters"


class Leader:
    """A leader whose term and deadline the test sets."""

    def __init__(self, api: ScriptedApi, *namespaces: str) -> None:
        self.number, self.left = 1, 8.0
        self.client = KubeClient(Credentials(api.url))
        self.term = Term(self.client, namespaces, lambda: self.number, lambda: self.left, (RAYCLUSTERS,))

    async def look(self) -> None:
        """Let it read the beginning of its term once."""
        self.term.gain()
        looking = asyncio.create_task(self.term.run())
        for _ in range(500):
            if self.term.began("RayCluster") != maxsize:
                break
            await asyncio.sleep(0.002)
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await self.client.close()


async def test_a_decision_of_one_term_may_not_be_written_in_the_next() -> None:
    """Tasks that it has started may not write either; decisions of the next term may."""
    async with scripted_api() as api:
        leader = Leader(api)
        go_on = asyncio.Event()

        async def later() -> float:
            await go_on.wait()
            return leader.term.seconds_left

        with leader.term.decided():
            before, begun = leader.term.seconds_left, asyncio.create_task(later())
            await asyncio.sleep(0)
            leader.number = 2
            after = leader.term.seconds_left
        go_on.set()
        with leader.term.decided():
            renewed = leader.term.seconds_left
        assert (before, after, await begun, renewed, leader.term.seconds_left) == (8.0, -inf, -inf, 8.0, 8.0)
        await leader.client.close()


async def test_a_term_begins_at_the_version_of_clusters_not_of_leases() -> None:
    """Each kind may have its own etcd; and until the version is known, no cluster is younger."""
    async with scripted_api() as api:
        leader = Leader(api)
        assert leader.term.began("RayCluster") == maxsize
        await leader.look()
        assert leader.term.began("RayCluster") == api.version
        assert api.asked == [f"GET {CLUSTERS}?limit=1"]
        leader.number = 2
        assert leader.term.began("RayCluster") == maxsize


async def test_an_unreadable_namespace_does_not_stop_a_term_from_beginning() -> None:
    async with scripted_api() as api:
        api.answers["GET", OF.format("gone")] = fails(403, "Forbidden", "no")
        leader = Leader(api, "gone", "ml")
        await leader.look()
        assert leader.term.began("RayCluster") == api.version


async def test_a_late_answer_about_one_term_is_not_used_for_the_next() -> None:
    """The answer came after the end of its term."""
    async with scripted_api() as api:
        leader = Leader(api)
        late = says({"items": [], "metadata": {"resourceVersion": "7"}})

        async def answer(writer: asyncio.StreamWriter) -> None:
            leader.number = 2
            leader.term.gain()
            api.answers["GET", CLUSTERS] = says_nothing
            await late(writer)

        api.answers["GET", CLUSTERS] = answer
        leader.term.gain()
        looking = asyncio.create_task(leader.term.run())
        async with asyncio.timeout(5):
            while len(api.requests) < 2:  # It reads for the next term once it has processed the first answer.
                await asyncio.sleep(0.002)
        assert leader.term.began("RayCluster") == maxsize
        looking.cancel()
        await leader.client.close()


async def test_a_beginning_that_cannot_be_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then no cluster counts as younger than the term."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    async with scripted_api() as api:
        api.answers["GET", CLUSTERS] = fails(503, "ServiceUnavailable", "etcd is away")
        leader = Leader(api)
        await leader.look()
        assert leader.term.began("RayCluster") == api.version
        assert len(api.requests) == 2
