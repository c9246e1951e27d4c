"""A token goes only to its recipient, and into no representation, log line or redirect."""

import importlib
import logging
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields

import rayfleet
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.plan import DrainNode
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens, Token
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import BearerToken, Credentials
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.gcs.channel import GcsChannel
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.polling import Poller, Target
from rayfleet.ray.state import AutoscalingReport
from support.informing import until
from support.stand_in_gcs import STATE, StandInGcs, node, state
from support.wire import Wire, says, wire

TOKEN = "a-very-secret-token"  # noqa: S105 - of nothing
KEY = Key("RayCluster", "ml", "demo")
HELD_BY_NAME = {"token", "password", "secret", "credential"}

Asking = Callable[[KubeClient], Awaitable[object]]


async def _watched(client: KubeClient) -> object:
    return [event async for event in client.watch("/api/v1/pods")]


async def _listed(client: KubeClient) -> object:
    return await client.list_all("/api/v1/pods")


REQUESTS: list[Asking] = [
    lambda client: client.get("/api/v1/pods/a"),
    lambda client: client.create("/api/v1/pods", {"kind": "Pod"}),
    lambda client: client.delete("/api/v1/pods/a", "u1"),
    lambda client: client.patch_status("/api/v1/pods/a/status", {}),
    lambda client: client.request("review", "/apis/x", body={}),
    _listed,
    _watched,
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", REQUESTS, ids=["get", "create", "delete", "patch", "review", "list", "watch"])
async def test_the_api_client_follows_no_redirect(ask: Asking, status: int) -> None:
    """Its token would follow; nothing is sent twice to the same server either."""
    async with wire(says({"items": [], "metadata": {"resourceVersion": "1"}})) as elsewhere:
        to = f"Location: {elsewhere.url}/elsewhere"
        async with wire(says({}, status, to)) as server, _client(server) as client:
            answer = await ask(client)
            assert elsewhere.requests == []
            assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {TOKEN}"]
            failure = answer[-1] if isinstance(answer, list) else answer
            assert isinstance(failure, ApiFailure)
            assert failure.status == status
            assert TOKEN not in repr(failure)


def _client(server: Wire) -> KubeClient:
    return KubeClient(Credentials(server.url, token=TOKEN))


def _holders() -> Iterator[tuple[type[Struct], str]]:
    """Each field of a struct of ours that could hold a token, by its name."""
    modules = pkgutil.walk_packages(rayfleet.__path__, "rayfleet.")
    for name in sorted(m.name for m in modules if not m.name.endswith("__main__")):
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, type) and issubclass(found, Struct) and found.__module__ == name:
                for field in fields(found):
                    holds = field.name in HELD_BY_NAME or field.name.endswith(("_token", "_password"))
                    if holds and ("str" in str(field.type) or "bytes" in str(field.type)):
                        yield found, field.name


def test_no_struct_shows_a_token_that_it_holds() -> None:
    """Representations omit fields of these names, in existing and future structs."""
    holders = list(_holders())
    assert Target in {holder for holder, _ in holders}
    for holder, field in holders:
        filled: dict[str, Any] = {each.name: "" for each in fields(holder)} | {field: TOKEN}
        assert TOKEN not in repr(holder(**filled)), f"{holder.__qualname__}.{field}"


async def test_objects_with_a_token_do_not_show_it() -> None:
    """Neither as text nor in the representation of an object that contains them."""
    channel = GcsChannel("127.0.0.1:1", TOKEN)
    client = KubeClient(Credentials("http://127.0.0.1:1", token=TOKEN))
    bearer = BearerToken(TOKEN, lambda: 0.0)
    for holder in (Target("u", "a:1", TOKEN), Token(TOKEN), channel, client, bearer):
        assert TOKEN not in f"{holder!r} {holder}"
    assert bearer.current() == TOKEN
    await channel.close()
    await client.close()


@pytest.fixture
async def head() -> AsyncIterator[StandInGcs]:
    made = StandInGcs(token=TOKEN)
    made.says(STATE, state(node("head", CPU=1.0)))
    made.says("ReportAutoscalingState", ray_pb2.ReportAutoscalingStateReply())
    made.says("DrainNode", ray_pb2.DrainNodeReply(is_accepted=True))
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("token", [TOKEN, TOKEN + "-old"], ids=["taken", "refused"])
async def test_no_log_line_shows_the_token_of_a_call_to_ray(
    head: StandInGcs, token: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a poll, a report nor a drain logs it at the most verbose level; nor does an answer."""
    caplog.set_level(logging.DEBUG)
    poller = Poller(lambda _: None, lambda _: [])
    kube: Any = None
    heads = RayHeads(poller, ClusterTokens(kube), PodAddresses(kube), may_write=lambda: 60.0)
    sent: list[bool] = []
    poller.watch(KEY, Target("u", head.address, token), active=True)
    await heads.report(KEY, AutoscalingReport(1, 1), lambda: sent.append(True))
    drained = await heads.drain(KEY, DrainNode("workers", "w-1", b"n" * 28, "idle"))
    await until("the report", lambda: "ReportAutoscalingState" in {method for method, _ in head.requests})
    await until("its answer", lambda: bool(sent) or token != TOKEN)
    await heads.close()
    await poller.close()
    assert bool(sent) is (token == TOKEN)
    shown = "\n".join([caplog.text, repr(drained), *capsys.readouterr()])
    assert TOKEN not in shown
    assert all(TOKEN not in str(vars(record)) for record in caplog.records)
