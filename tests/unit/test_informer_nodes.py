"""Nodes belong to no namespace: they are followed once, and nothing else depends on that."""

import asyncio

import pytest
from msgspec.structs import replace

from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.children import CHILDREN, NODE_CHILD
from rayfleet.kube.cache import Store
from rayfleet.kube.client.answers import Listing
from rayfleet.kube.informer import Health
from rayfleet.kube.objects.nodes import Node
from rayfleet.telemetry import readiness
from support.node_objects import gpu_node
from support.scripted_watch import FORBIDDEN, ILL, Following, Server, following, hurry, until

WITH_NODES = (*CHILDREN, NODE_CHILD)
SCOPES = [(), ("red", "blue")]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def nodes_of(seen: Following) -> Store[Node]:
    return seen.stores.of(NODE_CHILD)


def health_of_nodes(seen: Following) -> Health:
    return seen.health(None, "nodes")


@pytest.mark.parametrize("namespaces", SCOPES, ids=["all namespaces", "a list"])
async def test_nodes_are_followed_once_and_wake_nobody(namespaces: tuple[str, ...]) -> None:
    """They are followed from the list to the deletion, also beside a list of namespaces."""
    server = Server({"nodes": Listing([gpu_node("a"), gpu_node("b")], 7)})
    async with following(server, *namespaces, children=WITH_NODES) as seen:
        await until("the list", lambda: len(nodes_of(seen)) == 2)
        server.send("nodes", {"type": "MODIFIED", "object": gpu_node("a", 8, unschedulable=True)})
        await until("the cordon", lambda: any(node.unschedulable for node in nodes_of(seen)))
        server.send("nodes", {"type": "DELETED", "object": gpu_node("b", 9)})
        await until("the deletion", lambda: [node.name for node in nodes_of(seen)] == ["a"])
        assert server.listed.count("nodes") == 1
        assert seen.woken == []
        assert health_of_nodes(seen).synced


@pytest.mark.parametrize(
    "failure", [FORBIDDEN, ApiFailure(404, "NotFound", "no such kind")], ids=["403", "404"]
)
@pytest.mark.parametrize("namespaces", SCOPES, ids=["all namespaces", "a list"])
async def test_nodes_that_may_not_be_read_are_the_only_thing_unavailable(
    namespaces: tuple[str, ...], failure: ApiFailure
) -> None:
    """A remark says so, and the operator is ready; once readable they are cached, and nobody is woken."""
    server = Server({"nodes": failure})
    async with following(server, *namespaces, children=WITH_NODES) as seen:
        await asyncio.wait_for(seen.informer.wait_started(), 5)
        await until("the refusal", lambda: not health_of_nodes(seen).available)
        assert seen.informer.readable("red")
        assert readiness.view_trouble(seen.informer.health) is None
        assert not any(readiness.unavailable(seen.informer.health).values())
        assert readiness.remarks(seen.informer.health) == (f"nodes: {failure.message}",)
        readable = list(seen.readable)
        server.lists["nodes"] = Listing([gpu_node("a")], 7)
        await until("the node", lambda: len(nodes_of(seen)) == 1)
        assert readiness.remarks(seen.informer.health) == ()
        assert health_of_nodes(seen).synced
        assert seen.readable == readable


async def test_without_the_right_any_more_cached_nodes_are_marked_unavailable() -> None:
    """The cache keeps the last state, and a remark says that it is outdated."""
    server = Server({"nodes": Listing([gpu_node("a")], 7)})
    async with following(server, children=WITH_NODES) as seen:
        await until("the list", lambda: health_of_nodes(seen).synced)
        server.lists["nodes"] = FORBIDDEN
        server.send("nodes", FORBIDDEN)
        await until("the refusal", lambda: not health_of_nodes(seen).available)
        assert not health_of_nodes(seen).synced
        assert len(nodes_of(seen)) == 1
        assert seen.informer.readable("red")


@pytest.mark.parametrize("namespaces", SCOPES, ids=["all namespaces", "a list"])
async def test_an_outage_of_nodes_alone_holds_up_nothing(namespaces: tuple[str, ...]) -> None:
    """The operator starts, is ready, and reports the outage."""
    server = Server({"nodes": ILL})
    async with following(server, *namespaces, children=WITH_NODES) as seen:
        await asyncio.wait_for(seen.informer.wait_started(), 5)
        await until("the trouble", lambda: health_of_nodes(seen).error)
        assert seen.informer.started
        assert readiness.view_trouble(seen.informer.health) is None
        assert readiness.remarks(seen.informer.health) == (f"nodes: {ILL.message}",)


async def test_readable_nodes_make_no_namespace_readable() -> None:
    """The right to read nodes implies no right to read pods."""
    server = Server({"nodes": Listing([], 7), "pods red": FORBIDDEN})
    async with following(server, "red", children=WITH_NODES) as seen:
        await until("the list", lambda: health_of_nodes(seen).synced)
        await until("the refusal", lambda: seen.health("red", "pods").error)
        assert not seen.informer.readable("red")
        assert not seen.informer.readable("green")
        assert not seen.informer.started
        words = readiness.view_trouble(seen.informer.health)
        assert words is not None
        assert words.startswith("pods have not been listed yet")


def test_a_silent_watch_of_nodes_is_reported() -> None:
    """The operator stays ready."""
    silent = Health(
        "nodes", None, synced=True, available=True, age=999.0, error="", gaps=0, losses=0, relists=0
    )
    optional = replace(silent, optional=True)
    assert readiness.view_trouble([silent]) is not None
    assert readiness.view_trouble([optional]) is None
    assert readiness.remarks([optional]) == ("the watch of nodes has been silent for 999 s",)


async def test_nodes_are_not_requested_unless_they_are_followed() -> None:
    """The right is not needed then."""
    server = Server()
    async with following(server) as seen:
        await asyncio.wait_for(seen.informer.wait_started(), 5)
        assert set(server.listed) == {"pods", "services", "rayclusters"}
        assert {health.kind for health in seen.informer.health} == {"pods", "services", "rayclusters"}
