"""GPU workers start with the queue and leave when they are idle: real Ray, a real kubelet."""

import sys
from collections.abc import Callable, Iterator
from statistics import median
from typing import TypeAlias

import pytest

from support.live_cluster import LiveCluster
from support.pod_times import PodTimes, pod_times
from support.ray_driver import RayDriver, ray_driver
from support.round_trip import GPU_WORK, NOTE_NODES, p95, round_trip, table
from support.waiting import eventually, throughout

pytestmark = pytest.mark.timeout(400)  # The first test also brings up the nodes and the clusters.

RUNS, CREATED, TERMINATING = 6.0, 2.0, 2.0
"""The bars, in seconds: a task at no workers runs; its pod is created; idle timeout over to terminating."""
Show: TypeAlias = Callable[[str], None]
GANG = """
gang = placement_group([{"GPU": 1}] * 4, strategy="PACK")
"""


@pytest.fixture(scope="module")
def shared_driver(clusters: dict[str, LiveCluster]) -> Iterator[RayDriver]:
    """One driver for all tests of this file, as none of them touches the head."""
    with ray_driver(clusters["scaled"]) as started:
        started.do(GPU_WORK + NOTE_NODES)
        yield started


@pytest.fixture
def driver(scaled: LiveCluster, shared_driver: RayDriver) -> RayDriver:
    """A driver that knows of a task and an actor for one GPU; `scaled` has no workers."""
    assert not scaled.workers()
    return shared_driver


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Print figures even if the test passes."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return write


@pytest.fixture
def times(scaled: LiveCluster) -> Iterator[PodTimes]:
    with pod_times(scaled) as watched:
        yield watched


def test_a_task_at_no_workers_runs_soon_and_its_worker_leaves_when_it_is_idle(
    scaled: LiveCluster, driver: RayDriver, times: PodTimes, show: Show
) -> None:
    """It takes at most twice the bars, because this machine may be busy."""
    trips = [round_trip(scaled, driver, times) for _ in range(2)]
    show(table(trips))
    assert max(trip.ran for trip in trips) <= 2 * RUNS
    assert max(trip.created for trip in trips) <= 2 * CREATED
    assert max(trip.terminating for trip in trips) <= 2 * TERMINATING
    assert min(trip.terminating for trip in trips) > 0, "given back before its timeout"


@pytest.mark.extended
def test_a_task_at_no_workers_meets_the_bars(
    scaled: LiveCluster, driver: RayDriver, times: PodTimes, show: Show
) -> None:
    """Ten runs, with each figure of each step in a table."""
    trips = [round_trip(scaled, driver, times) for _ in range(10)]
    show(table(trips))
    assert median(trip.ran for trip in trips) <= RUNS
    assert p95([trip.created for trip in trips]) <= CREATED
    assert p95([trip.terminating for trip in trips]) <= TERMINATING
    assert min(trip.terminating for trip in trips) > 0, "given back before its timeout"


def test_max_holds_and_of_three_workers_only_the_busy_one_stays(
    scaled: LiveCluster, driver: RayDriver, times: PodTimes
) -> None:
    """An actor has a GPU, and three tasks share the rest up to max; in the end the actor's worker is left."""
    driver.do("holder = Holder.remote(); tasks = [on_gpu.remote(1.0) for _ in range(3)]")
    node = driver.do("ray.get(tasks); answer = ray.get(holder.here.remote())")
    assert len(times.of("created")) == 3, times.seen
    why = scaled.installation.why
    eventually("the idle two to go", lambda: len(scaled.workers()) == 1, seconds=30, why=why)
    throughout("the actor's worker stays", lambda: len(scaled.workers()) == 1, seconds=4)
    assert driver.do("answer = ray.get(holder.here.remote())") == node
    assert len(times.of("created")) == 3, times.seen
    driver.do("ray.kill(holder); del holder, tasks")
    eventually("the last to go when its actor has ended", lambda: not scaled.workers(), seconds=30, why=why)


def _autoscaling(cluster: LiveCluster) -> tuple[str, str, str]:
    condition = cluster.namespace.condition(cluster.name, "Autoscaling")
    return condition["status"], condition["reason"], condition["message"]


def test_a_gang_that_max_has_no_room_for_starts_nothing_until_it_has(
    scaled: LiveCluster, driver: RayDriver, times: PodTimes
) -> None:
    """Four GPUs together: with max 3 not one worker, and the status says why; with max 4 all four."""
    driver.do(GANG)
    throughout("nothing is started", lambda: not scaled.workers(), seconds=5)
    held = ("False", "DemandHeld")
    # What a queue causes is reported at a limited rate: after ten writes and events in a row a status comes
    # within 30 s, or within 60 if events that have waited for two minutes go before it.
    why = scaled.installation.why
    eventually(
        "the status to say that the gang is held",
        lambda: _autoscaling(scaled)[:2] == held,
        seconds=65,
        why=why,
    )
    words = "gpu is at its max of 3 replicas (all of its bundles are needed at once)"
    assert words in _autoscaling(scaled)[2]
    assert not scaled.workers()
    set_limits(scaled, maxReplicas=4)
    assert driver.do("answer = gang.wait(45)")
    created = [at for at, _ in times.of("created")]
    assert len(created) == 4, times.seen
    assert created[-1] - created[0] < 1.0, "not started together"
    driver.do("remove_placement_group(gang)")
    eventually("all four to go", lambda: not scaled.workers(), seconds=30, why=why)


@pytest.mark.extended
def test_min_is_kept_without_demand(scaled: LiveCluster, driver: RayDriver) -> None:
    """A worker comes for min 1 and stays past its timeout; a second one leaves; with min 0 the first does."""
    why = scaled.installation.why
    set_limits(scaled, minReplicas=1)
    eventually("the worker for min", lambda: len(scaled.workers()) == 1, why=why)
    driver.do("ray.get([on_gpu.remote(1.0), on_gpu.remote(1.0)]); answer = True")
    eventually("one to be left", lambda: len(scaled.workers()) == 1, seconds=30, why=why)
    throughout("one worker stays", lambda: len(scaled.workers()) == 1, seconds=8)
    set_limits(scaled, minReplicas=0)
    eventually("the worker to go", lambda: not scaled.workers(), seconds=15, why=why)


def set_limits(cluster: LiveCluster, **limits: int) -> None:
    groups = cluster.stored()["spec"]["workerGroupSpecs"]
    groups[0].update(limits)
    cluster.namespace.patch(cluster.name, {"workerGroupSpecs": groups})
