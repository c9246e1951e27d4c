"""All requests of the operator to a head, for every supported release of Ray."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from time import time

import pytest

from rayfleet.errors import GcsFailure
from rayfleet.ray.gcs.client import GcsClient
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.state import AutoscalingReport, Demand, DrainReason, NodeStatus, PendingPod, Shape, Strategy
from support.gcs_answers import answered
from support.ray_head import RayHead, ray_head
from support.ray_releases import OWN, python_with_ray

# The first test may also install Ray.
pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]

# Without label selectors, which the oldest releases do not know.
WORK = """
import ray.autoscaler.sdk
from ray.util.placement_group import placement_group
@ray.remote(num_gpus=1)
def on_gpu(): pass
@ray.remote(num_cpus=1)
def long(): time.sleep(600)
kept = [on_gpu.remote() for _ in range(20)]
for strategy in ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"):
    kept.append(placement_group([{"GPU": 2}] * 3, strategy=strategy))
ray.autoscaler.sdk.request_resources(bundles=[{"GPU": 4}, {"GPU": 4}])
kept.append(long.remote())
"""


@dataclass(frozen=True)
class Release:
    version: str
    head: RayHead


@pytest.fixture(scope="module", params=["2.47.1", "2.52.0", "2.56.0", "2.60.0"])
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    """A head of each release; the last is the one that everything else is tested with."""
    version = str(request.param)
    python = OWN if version == "2.60.0" else python_with_ray(version)
    with ray_head(python=python) as head:
        yield Release(version, head)


@pytest.fixture
async def client(release: Release) -> AsyncIterator[GcsClient]:
    made = GcsClient(release.head.address)
    yield made
    await made.close()


async def test_a_head_of_each_release_reports_its_queue_and_drains_an_idle_node(
    release: Release, client: GcsClient
) -> None:
    """From an idle head over a full queue to a drained node, in one round."""
    head = release.head
    state = await answered("a node", client.resource_state, lambda said: said.nodes, head)
    (node,) = state.nodes
    assert (node.instance_id, node.group, dict(node.total)["CPU"]) == ("c1-head", "headgroup", 2.0)
    assert await client.ray_version() == release.version

    head.drive(WORK)
    state = await answered(
        "the queue",
        client.resource_state,
        lambda said: (
            sum(demand.count for demand in said.demands) == 20
            and len(said.gangs) == 4
            and said.constraints
            and said.nodes[0].status is NodeStatus.RUNNING
        ),
        head,
    )
    (demand,) = state.demands
    assert dict(demand.shape.resources)["GPU"] == 1.0
    assert {gang.strategy for gang in state.gangs} == set(Strategy)
    assert all(gang.bundles == (Demand(Shape((("GPU", 2.0),)), 3),) for gang in state.gangs)
    assert state.constraints == ((Demand(Shape((("GPU", 4.0),)), 2),),)

    books = await client.nodes()
    assert not isinstance(books, GcsFailure)
    assert [(each.node_id, each.instance_id, each.alive, each.head) for each in books] == [
        (node.node_id, "c1-head", True, True)
    ]
    jobs = await client.jobs()
    assert not isinstance(jobs, GcsFailure)
    assert [job.running for job in jobs] == [True]
    pods = (PendingPod("gpu", "c1-gpu-7", "", "no node has room"),)
    report = AutoscalingReport(version=int(time() * 1000), seen_version=state.version, pods=pods)
    assert await client.report_autoscaling(report) is None
    refused = await client.drain_node(node.node_id, DrainReason.IDLE_TERMINATION, "idle")
    assert not isinstance(refused, GcsFailure)
    assert not refused.accepted

    head.dismiss()
    await answered(
        "an idle node", client.resource_state, lambda said: said.nodes[0].status is NodeStatus.IDLE, head
    )
    drain = await client.drain_node(node.node_id, DrainReason.IDLE_TERMINATION, "idle")
    assert not isinstance(drain, GcsFailure)
    assert drain.accepted
    await answered(
        "the end of the node",
        client.resource_state,
        lambda said: said.nodes[0].status is NodeStatus.DEAD,
        head,
    )
    books = await client.nodes((node.node_id,))
    assert not isinstance(books, GcsFailure)
    assert [(each.alive, each.cause) for each in books] == [(False, DeathCause.DRAIN_IDLE)]
