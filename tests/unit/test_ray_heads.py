"""Each head is polled at its own address, with its own token, and without delaying another."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.outcome import NotTried, Refused, Succeeded, Unanswered
from rayfleet.errors import GcsTrouble
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import DrainNode
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads, dialled
from rayfleet.kinds.raycluster.sources.silence import FIRST_SECONDS
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.polling import PollClock, Poller
from rayfleet.ray.state import AutoscalingReport
from support.builders import NOW, head, parsed, snapshot
from support.informing import until
from support.queued_clusters import scaled
from support.stand_in_gcs import STATE, StandInGcs, node, state
from support.wire import Answering, Wire, says, wire

TOKEN = "t0ken"  # noqa: S105 - of no cluster that there is
SECRET = says({"data": {"auth_token": b64encode(TOKEN.encode()).decode()}})
REPORT, DRAIN = "ReportAutoscalingState", "DrainNode"
DRAINED = DrainNode("gpu", "w-1", b"1" * 28, "idle")


@dataclass
class Scene:
    """Followed heads, and their API server."""

    heads: RayHeads
    poller: Poller
    server: Wire
    now: float = 0.0

    async def follow(self, of: Root, *pods: Pod) -> None:
        await self.heads.follow(snapshot(of, pods), parsed(of.spec), active=True)

    def heard(self, of: Root) -> bool:
        seen = self.heads.observation(of.key)
        return seen is not None and (seen.failure or seen.state) is not None


@asynccontextmanager
async def following(*answers: Answering) -> AsyncIterator[Scene]:
    async with wire(*answers) as server, KubeClient(Credentials(server.url)) as client:
        poller = Poller(lambda _: None, seconds=0.3, clockwork=PollClock(jitter=lambda: 0.0))
        tokens, addresses = ClusterTokens(client), PodAddresses(client)
        heads = RayHeads(poller, tokens, addresses, lambda: 10.0, clock=lambda: scene.now)
        scene = Scene(heads, poller, server)
        try:
            yield scene
        finally:
            await heads.close()
            await poller.close()


@asynccontextmanager
async def gcs(host: str = "127.0.0.1", **fields: Any) -> AsyncIterator[StandInGcs]:
    made = StandInGcs(**fields)
    await made.start(host)
    try:
        yield made
    finally:
        await made.stop()


def followed(gcs: StandInGcs, **fields: Any) -> tuple[Root, Pod]:
    """A cluster with its head."""
    start = {"port": gcs.address.rpartition(":")[2]}
    group = {"rayStartParams": start, "template": scaled().spec["headGroupSpec"]["template"]}
    of = scaled(headGroupSpec=group, **fields)
    return of, head(of, pod_ip=gcs.address.rpartition(":")[0].strip("[]"))


def with_token(gcs: StandInGcs) -> tuple[Root, Pod]:
    return followed(gcs, authOptions={"mode": "token"})


def live(pod: Pod, **changes: Any) -> Answering:
    """The pod as the API server has it."""
    status = {"podIP": changes.get("ip", pod.pod_ip), "phase": "Running"}
    labels = {"ray.io/node-type": "head", "ray.io/group": "headgroup"}
    uid = changes.get("uid", pod.uid)
    named = {"name": pod.name, "namespace": pod.namespace, "uid": uid, "resourceVersion": "5"}
    made = {**named, "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels}
    return says(
        {"kind": "Pod", "metadata": made, "spec": {"containers": [{"name": "ray"}]}, "status": status}
    )


@pytest.mark.parametrize(
    ("host", "address"), [("10.0.0.1", "10.0.0.1:6379"), ("fd00::1", "[fd00::1]:6379"), ("::1", "[::1]:6379")]
)
def test_an_address_of_ipv6_is_dialled_in_brackets(host: str, address: str) -> None:
    """Its colons would otherwise end the host."""
    assert dialled(host, 6379) == address


async def test_a_head_with_an_address_of_ipv6_is_heard() -> None:
    """The head listens on ::1."""
    async with gcs("[::1]") as at, following() as scene:
        of, pod = followed(at)
        at.says(STATE, state(_head_of(pod)))
        await scene.follow(of, pod)
        await until("its answer", lambda: scene.heard(of))
        seen = scene.heads.observation(of.key)
        assert seen is not None
        assert seen.failure is None


def _head_of(pod: Pod, **fields: Any) -> ray_pb2.NodeState:
    one = node(pod.name, **fields)
    one.ray_node_type_name = "headgroup"
    return one


@pytest.mark.parametrize(("name", "status"), [("head-of-another", 3), ("", 2)])
async def test_an_answer_from_another_pod_is_ignored(name: str, status: int) -> None:
    """The address belongs to another pod by now, or that head is dead."""
    async with gcs() as at, following() as scene:
        of, pod = followed(at)
        at.says(STATE, state(_head_of(replace(pod, name=name or pod.name), status=status)))
        await scene.follow(of, pod)
        await until("its answer", lambda: scene.heard(of))
        seen = scene.heads.observation(of.key)
        assert seen is not None
        assert seen.state is None
        assert seen.failure is not None
        assert seen.failure.trouble is GcsTrouble.INVALID
        assert pod.name in seen.failure.message


async def test_a_token_is_sent_only_after_the_pods_address_was_confirmed() -> None:
    """Each address is looked up once."""
    async with gcs(token=TOKEN) as at:
        of, pod = with_token(at)
        at.says(STATE, state(_head_of(pod)))
        async with following(SECRET, live(pod)) as scene:
            await scene.follow(of, pod)
            await scene.follow(of, pod)
            await until("its answer", lambda: scene.heard(of))
            assert [request.target.rpartition("/")[2] for request in scene.server.requests][1:] == [pod.name]
            assert (scene.heads.observation(of.key) or None) is not None


@pytest.mark.parametrize("changes", [{"uid": "another"}, {"ip": "10.9.9.9"}])
async def test_no_token_is_sent_to_another_pods_address(changes: dict[str, str]) -> None:
    """Another pod has its name, or it has another address by now."""
    async with gcs() as at:
        of, pod = with_token(at)
        async with following(SECRET, live(pod, **changes)) as scene:
            await scene.follow(of, pod)
            assert "no token is sent" in scene.heads.trouble(of.key)
            assert scene.poller.client(of.key) is None


async def test_no_token_is_sent_to_an_address_that_two_heads_have() -> None:
    """On a host network either may have answered there."""
    async with gcs() as at:
        (of, pod), other = with_token(at), followed(at)[0]
        other = replace(other, key=other.key._replace(name="other"), uid="other")
        async with following(SECRET, live(pod)) as scene:
            await scene.follow(other, replace(head(other), pod_ip=pod.pod_ip))
            await scene.follow(of, pod)
            assert "another cluster" in scene.heads.trouble(of.key)
            scene.heads.forget(other.key)
            await scene.follow(of, pod)
            assert scene.heads.trouble(of.key) == ""


async def test_a_head_that_hangs_two_hundred_reports_delays_nobody() -> None:
    """Nobody waits for the answer to a report, and such a head gets no other for a while."""
    async with gcs() as at, following() as scene:
        at.hangs(REPORT)
        sent: list[int] = []
        began = time.monotonic()
        of, pod = followed(at)
        await scene.follow(of, pod)
        for version in range(200):
            await scene.heads.report(of.key, AutoscalingReport(version, 1), lambda: sent.append(1))
        assert time.monotonic() - began < 1.0
        assert not sent


async def test_a_head_that_does_not_answer_is_sent_nothing_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each request would take a place of others."""
    monkeypatch.setattr("rayfleet.kinds.raycluster.sources.heads.TELL_SECONDS", 0.05)
    async with gcs() as at, following() as scene:
        at.hangs(DRAIN)
        of, pod = followed(at)
        await scene.follow(of, pod)
        outcomes = [await scene.heads.drain(of.key, DRAINED)]
        outcomes.append(await scene.heads.drain(of.key, DRAINED))
        scene.now += FIRST_SECONDS
        outcomes.append(await scene.heads.drain(of.key, DRAINED))
        assert [type(outcome) for outcome in outcomes] == [Unanswered, NotTried, Unanswered]


async def test_the_last_of_several_reports_is_sent_when_the_first_is_through() -> None:
    """The reports in between are outdated."""
    async with gcs() as at, following() as scene:
        at.says(REPORT, b"")
        sent: list[int] = []
        of, pod = followed(at)
        await scene.follow(of, pod)
        reports = [AutoscalingReport(version, 1) for version in (1, 2, 3)]
        await asyncio.gather(
            *(scene.heads.report(of.key, each, partial(sent.append, each.version)) for each in reports)
        )
        await until("the last", lambda: sent == [1, 3])


async def test_a_refused_drain_is_an_outcome_and_remembered() -> None:
    """Ray keeps the node because it is busy."""
    async with gcs() as at, following() as scene:
        of, pod = followed(at)
        await scene.follow(of, pod)
        memory = ClusterMemory()
        for accepted, words, wanted in (
            (False, "it is busy", Refused(DRAINED, "it is busy")),
            (False, "", Refused(DRAINED, "refused")),
            (True, "", Succeeded(DRAINED)),
        ):
            at.says(DRAIN, ray_pb2.DrainNodeReply(is_accepted=accepted, rejection_reason_message=words))
            outcome = await scene.heads.drain(of.key, DRAINED)
            assert outcome == wanted
            memory.learn((outcome,), NOW)
            assert (DRAINED.node_id in memory.ray.drained) is accepted
            await asyncio.sleep(0)
