"""The client and the poller, against the GCS of a real Ray head."""

from collections.abc import AsyncIterator, Callable, Iterator
from time import time

import pytest

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.gcs.client import GcsClient
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import Poller, Target
from rayfleet.ray.state import (
    AutoscalingReport,
    Demand,
    DrainReason,
    NodeStatus,
    PendingPod,
    RayState,
    Shape,
    Strategy,
)
from support.gcs_answers import answered
from support.informing import until
from support.ray_head import RayHead, ray_head

WORK = """
import ray.autoscaler.sdk
from ray.util.placement_group import placement_group
@ray.remote(num_gpus=1, label_selector={"zone": "in(a,b)"})
def on_gpu(): pass
@ray.remote(num_cpus=1)
def long(): time.sleep(600)
kept = [on_gpu.remote() for _ in range(20)]
for strategy in ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"):
    kept.append(placement_group([{"GPU": 2}] * 3, strategy=strategy))
ray.autoscaler.sdk.request_resources(bundles=[{"GPU": 4}, {"GPU": 4}])
kept.append(long.remote())
"""


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with ray_head() as started:
        yield started


@pytest.fixture
async def client(head: RayHead) -> AsyncIterator[GcsClient]:
    made = GcsClient(head.address)
    yield made
    await made.close()


async def state_with(client: GcsClient, head: RayHead, holds: Callable[[RayState], object]) -> RayState:
    return await answered("such a state", client.resource_state, holds, head)


async def test_an_idle_head_names_its_node_and_its_version(head: RayHead, client: GcsClient) -> None:
    """By the name of its pod; its books say the same."""
    state = await state_with(client, head, lambda said: said.nodes)
    (node,) = state.nodes
    assert (node.instance_id, node.group) == ("c1-head", "headgroup")
    assert len(node.node_id) == 28
    assert dict(node.total)["CPU"] == 2.0
    assert state.session.startswith("session_")
    assert await client.ray_version() == "2.60.0"
    books = await client.nodes()
    assert not isinstance(books, GcsFailure)
    assert [(each.node_id, each.instance_id, each.alive, each.head) for each in books] == [
        (node.node_id, "c1-head", True, True)
    ]
    assert abs(books[0].started - time()) < 120
    assert await client.actors() == ()


async def test_demand_is_read_as_it_was_requested(head: RayHead, client: GcsClient) -> None:
    """Tasks with selectors, gangs of each strategy, and `request_resources`; and a job in the books."""
    head.drive(WORK)
    state = await state_with(
        client,
        head,
        lambda said: (
            sum(demand.count for demand in said.demands) == 20
            and len(said.gangs) == 4
            and said.constraints
            and any(node.status is NodeStatus.RUNNING for node in said.nodes)
        ),
    )
    (demand,) = state.demands
    assert dict(demand.shape.resources) == {"CPU": 1.0, "GPU": 1.0}
    ((constraint,),) = demand.shape.selectors
    assert (constraint.key, constraint.values, constraint.negated) == ("zone", ("a", "b"), False)
    bundles = (Demand(Shape((("GPU", 2.0),)), 3),)
    assert {gang.strategy for gang in state.gangs} == set(Strategy)
    assert all(gang.bundles == bundles for gang in state.gangs)
    assert state.constraints == ((Demand(Shape((("GPU", 4.0),)), 2),),)
    jobs = await client.jobs()
    assert not isinstance(jobs, GcsFailure)
    assert [job.running for job in jobs] == [True]


async def test_a_busy_node_is_not_drained_as_idle(head: RayHead, client: GcsClient) -> None:
    """Ray checks at that very moment."""
    state = await state_with(client, head, lambda said: said.nodes[0].status is NodeStatus.RUNNING)
    answer = await client.drain_node(state.nodes[0].node_id, DrainReason.IDLE_TERMINATION, "idle")
    assert not isinstance(answer, GcsFailure)
    assert not answer.accepted
    assert "no longer idle" in answer.refusal


async def test_a_report_is_what_ray_shows(head: RayHead, client: GcsClient) -> None:
    """`ray status` reads it from the same place."""
    state = await state_with(client, head, lambda said: said.nodes)
    report = AutoscalingReport(
        version=int(time() * 1000),
        seen_version=state.version,
        pods=(PendingPod("gpu", "c1-gpu-7", "", "no node has room"),),
    )
    assert await client.report_autoscaling(report) is None
    shown = await head.status()
    assert "c1-gpu-7" in shown
    assert "no node has room" in shown


async def test_a_head_that_is_killed_and_comes_back_is_noticed(head: RayHead) -> None:
    """First out of reach, then with another session; its idle node is drained, as its books say."""
    poller = Poller(lambda _key: None)
    key = Key("RayCluster", "ns", "c1")
    poller.watch(key, Target("uid", head.address), active=True)

    def known() -> bool:
        seen = poller.observation(key)
        return seen is not None and seen.failure is None and bool(seen.state and seen.state.nodes)

    await until("a state", known)
    first = poller.observation(key)
    head.stop()
    await until("the loss", lambda: not known(), seconds=5)
    lost = poller.observation(key)
    assert first is not None
    assert first.state is not None
    assert lost is not None
    assert lost.failure is not None
    assert lost.failure.trouble in {GcsTrouble.UNREACHABLE, GcsTrouble.DEADLINE}
    assert lost.state is not None
    head.start()
    await until("the new head", known, seconds=25)
    new = poller.observation(key)
    assert new is not None
    assert new.state is not None
    assert new.state.session != first.state.session
    client = poller.client(key)
    assert client is not None
    state = await state_with(client, head, lambda said: said.nodes[0].status is NodeStatus.IDLE)
    drain = await client.drain_node(state.nodes[0].node_id, DrainReason.IDLE_TERMINATION, "idle")
    assert not isinstance(drain, GcsFailure)
    assert drain.accepted
    await state_with(client, head, lambda said: said.nodes[0].status is NodeStatus.DEAD)
    books = await client.nodes((state.nodes[0].node_id,))
    assert not isinstance(books, GcsFailure)
    assert [(each.alive, each.cause, each.death) for each in books] == [
        (False, DeathCause.DRAIN_IDLE, "idle")
    ]
    assert await client.nodes((b"x" * 28,)) == ()
    await poller.close()


async def test_a_head_in_token_mode_answers_clients_with_the_token() -> None:
    """It refuses all others."""
    token = "t" * 40
    with ray_head(token) as head:
        client, stranger = GcsClient(head.address, token), GcsClient(head.address)
        await state_with(client, head, lambda said: said.nodes)
        answer = await stranger.resource_state()
        assert isinstance(answer, GcsFailure)
        assert answer.trouble is GcsTrouble.UNAUTHENTICATED
        await client.close()
        await stranger.close()
