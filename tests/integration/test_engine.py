"""The engine with a kind that was made for tests, on a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rayfleet.engine.loop import Loop, Setup
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.client.kubeconfig import from_kubeconfig
from support.cluster_api import ApiError, ClusterApi
from support.faults.proxy import FaultProxy
from support.faults.rules import LoseAnswer, Match, Rule, Script, StreamFaults
from support.greeting_kind import CARD, CONFIG_MAPS, CRD, GREETINGS, greetings
from support.testbed import RunningControlPlane
from support.waiting import eventually

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = iter(range(1, 100))


@pytest.fixture(scope="module")
def server(installed: RunningControlPlane) -> ClusterApi:
    """An API server that serves greetings."""
    api = ClusterApi(installed.kubeconfig)
    api.call("POST", CRDS, CRD)
    eventually("greetings to be served", lambda: api.exists(GREETINGS.collection()))
    return api


class Greeter:
    """Greetings of one namespace, and their children; its calls bypass the engine."""

    def __init__(self, api: ClusterApi, control_plane: RunningControlPlane) -> None:
        self._api = api
        self.control_plane = control_plane
        self.namespace = f"greetings-{next(NAMESPACES)}"
        api.create_namespace(self.namespace)

    def write(self, text: str) -> None:
        body = {"apiVersion": GREETINGS.api_version, "kind": "Greeting", "metadata": {"name": "hello"}}
        self._api.call("POST", GREETINGS.collection(self.namespace), {**body, "spec": {"text": text}})

    def rewrite(self, text: str) -> None:
        self._api.call(
            "PATCH",
            GREETINGS.path(self.namespace, "hello"),
            {"spec": {"text": text}},
            content_type="application/merge-patch+json",
        )

    @property
    def card(self) -> dict[str, Any]:
        """The ConfigMap; fails if there is none."""
        try:
            return self._api.call("GET", CONFIG_MAPS.path(self.namespace, "hello"))
        except ApiError as error:
            raise AssertionError(str(error)) from error

    def remove_card(self) -> None:
        self._api.call("DELETE", CONFIG_MAPS.path(self.namespace, "hello"))

    @property
    def said(self) -> str:
        return str(
            self._api.call("GET", GREETINGS.path(self.namespace, "hello")).get("status", {}).get("said")
        )


@pytest.fixture
def greeter(server: ClusterApi, installed: RunningControlPlane) -> Greeter:
    return Greeter(server, installed)


@asynccontextmanager
async def engine(greeter: Greeter, script: Script | None = None) -> AsyncIterator[FaultProxy]:
    """A running engine, behind a proxy that treats its calls as the script says."""
    tls = from_kubeconfig([greeter.control_plane.kubeconfig]).ssl_context()
    assert tls is not None
    proxy = FaultProxy(greeter.control_plane.server, tls)
    await proxy.start()
    proxy.script = script or Script()
    setup = Setup(f"engine-{proxy.port}", (greeter.namespace,), lease_namespace=greeter.namespace)
    loop = Loop(Credentials(f"http://127.0.0.1:{proxy.port}"), setup, (GREETINGS,), (CARD,))
    loop.serve(greetings(loop.stores))
    nothing_else = asyncio.Event()
    nothing_else.set()
    running = [asyncio.create_task(part) for part in loop.parts(nothing_else.wait).values()]
    try:
        yield proxy
    finally:
        await loop.stop_work(1.0)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await loop.resign()
        await loop.close()
        await proxy.close()


async def until(what: str, look: Callable[[], object]) -> None:
    """Wait until `look` is true, without blocking the loop."""
    await asyncio.to_thread(eventually, what, look, seconds=30)


def writes(proxy: FaultProxy) -> list[str]:
    return [str(exchange.call) for exchange in proxy.writes if exchange.call.resource != "events"]


async def test_a_child_is_created_and_recreated_and_the_status_follows_it(greeter: Greeter) -> None:
    greeter.write("hi")
    async with engine(greeter) as proxy:
        await until("the status", lambda: greeter.said == "hi")
        first = greeter.card["metadata"]["uid"]
        greeter.remove_card()
        await until("another one", lambda: greeter.card["metadata"]["uid"] != first)
        greeter.rewrite("good evening")
        await until("the new text", lambda: greeter.said == "good evening")
        assert greeter.card["data"] == {"text": "good evening"}
        done = writes(proxy)
        await asyncio.sleep(1.0)  # At rest nothing is written.
        assert writes(proxy) == done


async def test_the_next_leader_lists_the_children_before_its_first_write(greeter: Greeter) -> None:
    greeter.write("hi")
    async with engine(greeter):
        await until("the status", lambda: greeter.said == "hi")
    greeter.rewrite("good evening")
    async with engine(greeter) as proxy:
        await until("the new text", lambda: greeter.said == "good evening")
        calls = [call for _, call in proxy.calls]
        listed = [n for n, call in enumerate(calls) if call.query.get("labelSelector", "").endswith("=hello")]
        written = [n for n, call in enumerate(calls) if call.mutating]
        assert listed, "no list of the greeting's own children"
        assert listed[0] < written[0]


async def test_a_create_whose_answer_is_lost_makes_no_second_child(greeter: Greeter) -> None:
    greeter.write("hi")
    lost = Rule(Match(("create",), ("configmaps",)), (LoseAnswer(cut=True),), nth=1)
    async with engine(greeter, Script([lost])) as proxy:
        await until("the status", lambda: greeter.said == "hi")
        assert proxy.script.applied == 1
        made = [e for e in proxy.writes if e.call.verb == "create" and e.status == 201]
        assert [str(e.call) for e in made if e.call.resource == "configmaps"] == ["create configmaps hello"]


async def test_an_old_view_of_the_root_is_not_acted_on(greeter: Greeter) -> None:
    """Its watch lags behind; a pass that its child's watch starts reads the current root."""
    greeter.write("hi")
    lag = time.monotonic()
    late = StreamFaults(wait_for=lambda: time.monotonic() > lag)
    async with engine(greeter, Script([Rule(Match(("watch",), ("greetings",)), (late,))])) as proxy:
        await until("the status", lambda: greeter.said == "hi")
        lag = time.monotonic() + 20
        before = len(proxy.writes)
        greeter.rewrite("good evening")
        greeter.remove_card()
        await until("the new text", lambda: greeter.card["data"]["text"] == "good evening")
        texts = [
            e.call.body["data"]["text"] for e in proxy.writes[before:] if e.call.resource == "configmaps"
        ]
        assert "hi" not in texts
