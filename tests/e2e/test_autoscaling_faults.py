"""Scaling reaches the same end without losing busy workers, whatever happens on the way."""

from collections.abc import Iterator
from time import time

import pytest

from demo import containers
from support.frozen import frozen
from support.installation import is_ready
from support.live_cluster import LiveCluster, container_id, uid
from support.operator_process import RELEASE
from support.pod_times import PodTimes, pod_times
from support.ray_driver import RayDriver, ray_driver
from support.round_trip import GPU_WORK, IDLE_TIMEOUT
from support.waiting import eventually, throughout

pytestmark = pytest.mark.timeout(400)  # The first test also brings up the nodes and the clusters.

ONE_BUSY_ONE_IDLE = """
holder = Holder.remote()
node = ray.get(holder.here.remote())
ray.get(on_gpu.remote(0.5))
answer = [node, time.time()]
"""
STILL_BUSY = "answer = ray.get(holder.here.remote(), timeout=20)"


@pytest.fixture
def times(scaled: LiveCluster) -> Iterator[PodTimes]:
    with pod_times(scaled) as watched:
        yield watched


@pytest.fixture
def driver(scaled: LiveCluster) -> Iterator[RayDriver]:
    """A driver of its own for each test, as some lose the head."""
    with ray_driver(scaled) as started:
        started.do(GPU_WORK)
        yield started


@pytest.mark.parametrize(
    "pods", [pytest.param(0, id="before its pods"), pytest.param(1, id="after", marks=pytest.mark.extended)]
)
def test_an_operator_that_goes_in_the_middle_of_a_scale_up(
    scaled: LiveCluster, driver: RayDriver, times: PodTimes, pods: int
) -> None:
    """The next operator starts what is missing, and no more; then all workers leave."""
    leader = scaled.installation.operator_pod()
    driver.do("tasks = [on_gpu.remote(0.5) for _ in range(3)]")
    eventually("its first pods", lambda: len(times.of("created")) >= pods, why=scaled.installation.why)
    scaled.installation.api.namespace(RELEASE).delete_pod(leader["metadata"]["name"])
    driver.do("ray.get(tasks)")
    assert len(times.of("created")) == 3, times.seen
    scaled.installation.await_operator(other_than=leader)
    await_workers(scaled, 0)


@pytest.mark.extended
@pytest.mark.parametrize("after", [-0.3, 0.4, 0.9])
def test_an_operator_that_crashes_in_the_middle_of_an_idle_drain(
    scaled: LiveCluster, driver: RayDriver, after: float
) -> None:
    """`after` is in seconds since the idle timeout: the idle worker still goes, the busy one stays."""
    node, ended = driver.do(ONE_BUSY_ONE_IDLE)
    leader = scaled.installation.operator_pod()
    eventually("the moment of the crash", lambda: time() >= ended + IDLE_TIMEOUT + after)
    containers.kill(container_id(leader))
    await_workers(scaled, 1, seconds=60)
    throughout("the busy one stays", lambda: len(scaled.workers()) == 1, seconds=5)
    assert driver.do(STILL_BUSY) == node
    driver.do("ray.kill(holder)")
    await_workers(scaled, 0)
    scaled.installation.await_operator()


@pytest.mark.extended
def test_a_frozen_head_loses_no_worker(
    scaled: LiveCluster, driver: RayDriver, clusters: dict[str, LiveCluster]
) -> None:
    """Neither the busy one nor the idle one past its timeout: unknown is not zero. Then the head goes on."""
    node, _ = driver.do(ONE_BUSY_ONE_IDLE)
    others = {uid(pod) for pod in clusters["sample"].namespace.pods()}
    with frozen(scaled.head()):
        throughout("both workers stay", lambda: len(scaled.workers()) == 2, seconds=IDLE_TIMEOUT + 7)
    await_workers(scaled, 1)
    assert driver.do(STILL_BUSY) == node
    assert {uid(pod) for pod in clusters["sample"].namespace.pods()} == others
    driver.do("ray.kill(holder)")
    await_workers(scaled, 0)


@pytest.mark.extended
def test_a_head_that_is_killed_comes_back_and_scales_again(scaled: LiveCluster, driver: RayDriver) -> None:
    """Its work is lost with it; the workers of the old session go, and a new driver gets a new one."""
    driver.do(ONE_BUSY_ONE_IDLE)
    before, workers = scaled.head(), {uid(pod) for pod in scaled.workers()}
    containers.kill(container_id(before))

    def replaced() -> bool:
        assert uid(scaled.head()) != uid(before), "the killed one is still there"
        return is_ready(scaled.head())

    eventually("another head", replaced, seconds=60, why=scaled.installation.why)
    with ray_driver(scaled) as another:
        another.do(GPU_WORK)
        another.do("ray.get(on_gpu.remote(), timeout=90)", seconds=100)
        await_workers(scaled, 0, seconds=90)
    assert not workers & {uid(pod) for pod in scaled.workers()}


def await_workers(cluster: LiveCluster, count: int, *, seconds: float = 30) -> None:
    def there() -> bool:
        found = len(cluster.workers())
        assert found == count, f"{found} workers"
        return True

    eventually(f"{count} workers to be left", there, seconds=seconds, why=cluster.installation.why)
