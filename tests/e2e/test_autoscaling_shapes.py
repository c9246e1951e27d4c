"""Which groups grow for which demand: labels, fractions, custom resources, tasks that wait for tasks."""

from collections import Counter
from collections.abc import Iterator

import pytest

from support.live_cluster import LiveCluster
from support.pod_times import PodTimes, pod_times
from support.ray_driver import RayDriver, ray_driver
from support.waiting import eventually

pytestmark = pytest.mark.timeout(400)  # The first test also brings up the nodes and the clusters.

NESTED = """
@ray.remote(num_cpus=1, resources={"disk": 1})
def child():
    time.sleep(1)
    return 1

@ray.remote(num_cpus=1, resources={"disk": 1})
def parent():
    return sum(ray.get([child.remote(), child.remote()]))

answer = ray.get([parent.remote(), parent.remote()])
"""
# Each entry: how many, num_cpus, num_gpus, other resources, labels.
TEN_SHAPES = """
@ray.remote(num_cpus=0)
class Running:
    def __init__(self):
        self.count = 0
    def add(self):
        self.count += 1
    def get(self):
        return self.count

@ray.remote
def work(running):
    ray.get(running.add.remote())
    time.sleep(600)

running = Running.remote()

A100 = {"ray.io/accelerator-type": "A100"}
NEITHER = {"ray.io/accelerator-type": "!in(A100,H100)"}
asked = [
    (4, 0, 0, {"disk": 0.5}, {}),       # cpu: 2 of 2 disks
    (4, 1, 0, {"disk": 0.25}, {}),      # cpu: 1 disk more, so a second node
    (2, 0, 0, {"ssd": 1}, {}),          # cpu: one on each of the two
    (4, 0, 0.25, {}, NEITHER),          # gpu: all of one GPU
    (4, 0.5, 0.25, {}, NEITHER),        # gpu: and of another
    (2, 0, 1, {}, A100),                # a100: both GPUs of a node
    (2, 1, 1, {}, A100),                # a100: and of another
    (2, 1, 0, {}, {"ray.io/node-group": "a100"}),                  # a100: CPUs that these leave
    (1, 0, 4, {}, {"ray.io/accelerator-type": "in(H100,B200)"}),   # h100: a whole node
    (1, 1, 3, {}, {}),                  # h100: the only group with three GPUs on a node
]
tasks = [
    work.options(num_cpus=cpus, num_gpus=gpus, resources=other, label_selector=labels or None).remote(running)
    for count, cpus, gpus, other, labels in asked
    for _ in range(count)
]
answer = len(tasks)
"""
BY_HAND = {"cpu": 2, "gpu": 2, "a100": 2, "h100": 2}


@pytest.fixture(scope="module")
def shared_driver(clusters: dict[str, LiveCluster]) -> Iterator[RayDriver]:
    with ray_driver(clusters["shapes"]) as started:
        yield started


@pytest.fixture
def driver(shapes: LiveCluster, shared_driver: RayDriver) -> RayDriver:
    assert not shapes.workers()
    return shared_driver


@pytest.fixture
def times(shapes: LiveCluster) -> Iterator[PodTimes]:
    with pod_times(shapes) as watched:
        yield watched


def test_parents_that_hold_what_their_children_need_get_more_workers(
    shapes: LiveCluster, driver: RayDriver, times: PodTimes
) -> None:
    """Two parents fill a node, and wait; their four children take two more."""
    assert driver.do(NESTED) == [2, 2]
    assert groups_of(times) == {"cpu": 3}
    await_zero(shapes)


def test_a_label_decides_which_of_two_groups_grows(
    shapes: LiveCluster, driver: RayDriver, times: PodTimes
) -> None:
    """Both would have room; eight quarters take the two GPUs of one node."""
    said = driver.do("""
@ray.remote(num_cpus=0, num_gpus=0.25, label_selector={"ray.io/accelerator-type": "A100"})
def labelled():
    return ray.get_runtime_context().get_node_labels()["ray.io/node-group"]

answer = ray.get([labelled.remote() for _ in range(8)])
""")
    assert said == ["a100"] * 8
    assert groups_of(times) == {"a100": 1}
    await_zero(shapes)


@pytest.mark.extended
def test_ten_shapes_over_four_groups_are_served_as_computed_by_hand(
    shapes: LiveCluster, driver: RayDriver, times: PodTimes
) -> None:
    """Two nodes of each group, and everything runs."""
    assert driver.do(TEN_SHAPES) == 26

    def served() -> bool:
        count = driver.do("answer = ray.get(running.get.remote())")
        assert count == 26, f"{count} tasks run on {groups_of(times)}"
        return True

    eventually("all tasks to run", served, seconds=90, why=shapes.installation.why)
    assert groups_of(times) == BY_HAND
    driver.do("[ray.cancel(task, force=True) for task in tasks]; ray.kill(running); del tasks, running")
    await_zero(shapes)


def groups_of(times: PodTimes) -> dict[str, int]:
    """How many workers of each group were ever created."""
    return dict(Counter(name.split("-")[1] for _, name in times.of("created")))


def await_zero(cluster: LiveCluster) -> None:
    why = cluster.installation.why
    eventually("all workers to leave", lambda: not cluster.workers(), seconds=60, why=why)
