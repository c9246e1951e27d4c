"""RayClusters are followed as pods are: each namespace by itself, whatever its watch does."""

import asyncio
from typing import Any

import pytest

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.answers import Listing
from rayfleet.kube.informer import informer as module
from rayfleet.kube.objects.keys import Key
from rayfleet.telemetry import readiness
from support.scripted_watch import FORBIDDEN, ILL, Server, following, hurry, until

KEY = Key("RayCluster", "red", "demo")


def cluster(version: int, name: str = "demo", namespace: str = "red", **spec: object) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "uid": f"u-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": spec}


def bookmark(version: int) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


async def test_a_cluster_is_followed_from_its_birth_to_its_end() -> None:
    """A cluster is born if its creation was seen; a listed one existed before."""
    server = Server({"rayclusters red": Listing([cluster(5, "old")], 7)})
    async with following(server, "red") as seen:
        await until("the list", lambda: len(seen.stores.roots["RayCluster"]) == 1)
        server.send("rayclusters red", {"type": "ADDED", "object": cluster(8)})
        await until("the new one", lambda: KEY in seen.stores.roots["RayCluster"])
        server.send("rayclusters red", {"type": "MODIFIED", "object": cluster(9, a=1)})
        await until("the change", lambda: seen.woken.count(KEY) == 2)
        born = {
            key: found.born
            for key in seen.stores.roots["RayCluster"]
            if (found := seen.stores.roots["RayCluster"].get(key))
        }
        assert born == {Key("RayCluster", "red", "old"): 0, KEY: 8}
        server.send("rayclusters red", {"type": "DELETED", "object": cluster(10)})
        await until("its end", lambda: KEY not in seen.stores.roots["RayCluster"])
        assert seen.woken.count(KEY) == 3


async def test_a_deletion_in_a_gap_of_the_watch_is_reported_by_the_list() -> None:
    """It is reported at once, and the gap is counted like those of pods."""
    server = Server({"rayclusters red": Listing([cluster(5)], 7)})
    async with following(server, "red") as seen:
        await until("the list", lambda: KEY in seen.stores.roots["RayCluster"])
        server.lists["rayclusters red"] = Listing([], 20)
        server.send("rayclusters red", ApiFailure(410, "Expired", "too old"))
        await until("the deletion", lambda: KEY not in seen.stores.roots["RayCluster"])
        health = seen.health("red")
        assert (health.losses, health.relists) == (1, 1)


async def test_after_a_restored_etcd_the_clusters_are_rewound() -> None:
    """A bookmark with an older version shows it; then only the list is true, and what it lacks is gone."""
    server = Server({"rayclusters red": Listing([cluster(5, a=1)], 7)})
    async with following(server, "red") as seen:
        await until("the list", lambda: KEY in seen.stores.roots["RayCluster"])
        server.send("rayclusters red", {"type": "MODIFIED", "object": cluster(30, a=2)})
        server.send("rayclusters red", {"type": "ADDED", "object": cluster(31, "later")})
        await until("both", lambda: len(seen.stores.roots["RayCluster"]) == 2)
        seen.woken.clear()
        server.lists["rayclusters red"] = Listing([cluster(5, a=1)], 6)
        server.send("rayclusters red", bookmark(6))
        await until("the later one to be gone", lambda: len(seen.stores.roots["RayCluster"]) == 1)
        found = seen.stores.roots["RayCluster"].get(KEY)
        assert found is not None
        assert (found.resource_version, found.spec, found.born) == (5, {"a": 1}, 0)
        assert set(seen.woken) == {KEY, Key("RayCluster", "red", "later")}


async def test_a_namespace_that_is_refused_holds_up_no_other() -> None:
    """Once it may be read, whoever waits for it hears so."""
    server = Server({"rayclusters red": FORBIDDEN, "rayclusters blue": Listing([], 3)})
    async with following(server, "red", "blue") as seen:
        await asyncio.wait_for(seen.informer.wait_started(), 5)
        assert (seen.informer.readable("red"), seen.informer.readable("blue")) == (False, True)
        assert readiness.view_trouble(seen.informer.health) is None
        assert list(readiness.unavailable(seen.informer.health)) == ["red", "blue"]
        assert [line.split(":")[0] for line in readiness.remarks(seen.informer.health)] == [
            "namespace red is unavailable"
        ]
        server.lists["rayclusters red"] = Listing([cluster(5)], 9)
        await until("red", lambda: seen.informer.readable("red"))
        assert seen.readable == ["blue", "red"]
        assert not readiness.remarks(seen.informer.health)
        server.lists["rayclusters red"] = FORBIDDEN
        server.send("rayclusters red", FORBIDDEN)
        await until("the refusal", lambda: not seen.informer.readable("red"))
        assert seen.informer.readable("blue")


@pytest.mark.parametrize("kind", ["pods", "services", "rayclusters"])
async def test_each_kind_of_a_namespace_must_be_readable(kind: str) -> None:
    """Half of the kinds are not a view."""
    server = Server({f"{kind} red": FORBIDDEN})
    async with following(server, "red", "blue") as seen:
        await asyncio.wait_for(seen.informer.wait_started(), 5)
        assert not seen.informer.readable("red")
        assert readiness.unavailable(seen.informer.health)["red"] is not None


async def test_a_namespace_that_does_not_answer_delays_the_start_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may only be slow."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    server = Server({"rayclusters red": ILL})
    async with following(server, "red", "blue") as seen:
        await asyncio.wait_for(seen.informer.wait_started(), 5)
        assert not seen.informer.started
        assert seen.informer.readable("blue")


async def test_without_any_readable_namespace_nothing_starts() -> None:
    """That holds for all namespaces, and for a list of which each is refused."""
    server = Server({"rayclusters": FORBIDDEN, "rayclusters red": FORBIDDEN})
    for namespaces in ((), ("red",)):
        async with following(server, *namespaces) as seen:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(seen.informer.wait_started(), 0.05)
            words = readiness.view_trouble(seen.informer.health)
            assert words is not None
            assert "rayclusters have not been listed yet" in words


@pytest.mark.parametrize("failure", [FORBIDDEN, ILL], ids=["403", "5xx"])
async def test_a_dead_watch_shows_its_age_and_its_error(failure: ApiFailure) -> None:
    """Neither lists nor watches are answered: after a while the operator is not ready."""
    server = Server({"rayclusters": Listing([cluster(5)], 7)})
    async with following(server) as seen:
        await until("the list", lambda: KEY in seen.stores.roots["RayCluster"])
        server.lists["rayclusters"] = failure
        server.watches["rayclusters"].put_nowait(failure)
        await until("the trouble", lambda: seen.health(None).error)
        assert (
            failure.message in "".join(readiness.remarks(seen.informer.health))
            or not seen.health(None).synced
        )
        seen.now[0] = readiness.STALE_SECONDS + 1
        words = readiness.view_trouble([seen.health(None)])
        assert words is not None
        assert "rayclusters" in words
        assert failure.message in words


async def test_a_refused_watch_is_reported_and_replaced_by_lists() -> None:
    """The view is as old as the last list, and each list is a sign of life."""
    server = Server({"rayclusters": Listing([cluster(5)], 7)})
    async with following(server) as seen:
        await until("the list", lambda: KEY in seen.stores.roots["RayCluster"])
        server.lists["rayclusters"] = Listing([cluster(5), cluster(8, "new")], 9)
        server.watches["rayclusters"].put_nowait(FORBIDDEN)
        await until("the new one", lambda: Key("RayCluster", "red", "new") in seen.stores.roots["RayCluster"])
        assert seen.health(None).relists == 1
