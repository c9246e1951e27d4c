"""GPU-seconds: those that pods hold, and those that Ray uses or leaves idle."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from rayfleet.fleet.gpu_seconds import GpuSeconds, GpuUse, gpu_use
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import NodeStatus, RayNode
from support.builders import cluster, head, worker
from support.demand_cases import node, resources, state

OF = cluster()
KEY, UID = OF.key, OF.uid
GPUS = resources(CPU=8, GPU=4)


def pods(*gpus: int, **changes: Any) -> list[Pod]:
    """A head without GPUs, and a worker for each number."""
    return [head(OF), *(worker(OF, at, gpus=count, **changes) for at, count in enumerate(gpus, 1))]


def busy(pod: Pod, **free: float) -> RayNode:
    """The node of a pod with four GPUs, of which `free` are available."""
    return node(pod.name, "gpu", GPUS, available=resources(**free))


def idle(pod: Pod) -> RayNode:
    return node(pod.name, "gpu", GPUS, status=NodeStatus.IDLE)


def use(of: Iterable[Pod], *nodes: RayNode) -> GpuUse:
    return gpu_use(of, state(nodes=nodes))


def test_a_pod_holds_its_gpus_until_its_containers_have_ended() -> None:
    """It holds them while it is pending and while it terminates."""
    there = [*pods(4, phase="Pending"), worker(OF, 7, gpus=2, deleting=True)]
    ended = [worker(OF, 8, gpus=8, phase="Failed"), worker(OF, 9, gpus=8, phase="Succeeded")]
    assert gpu_use([*there, *ended], None) == GpuUse(6, None, None)


def test_ray_uses_the_resources_of_its_nodes_minus_the_available_ones() -> None:
    """Parts of a GPU count as parts; all GPUs of an idle node's pod are idle."""
    there = pods(4, 4, 4)
    first, second, third = there[1:]
    assert use(there, busy(first, CPU=8.0), busy(second, GPU=3.5), idle(third)) == GpuUse(12, 4.5, 4)


def test_a_node_that_is_dead_or_has_not_joined_uses_nothing_and_is_not_idle() -> None:
    """Its GPUs are allocated, and users may look for that difference."""
    there = pods(4, 4)
    gone = node(there[1].name, "gpu", GPUS, status=NodeStatus.DEAD, available=())
    assert use(there, gone) == GpuUse(8, 0, 0)


@pytest.mark.parametrize(
    "lie",
    [
        {"total": resources(GPU=1e18), "available": ()},
        {"total": resources(GPU=math.inf), "available": ()},
        {"total": resources(GPU=4, TPU=8, NPU=8, HPU=8), "available": ()},
    ],
)
def test_no_pod_uses_more_than_it_has_whatever_a_head_reports(lie: dict[str, Any]) -> None:
    """Two nodes that claim one pod do not either."""
    there = pods(4)
    lies = [node(there[1].name, "gpu", **lie)] * 2
    assert use(there, *lies) == GpuUse(4, 4, 0)


def test_invalid_reports_of_a_head_do_not_count() -> None:
    """These are nodes without a pod, too much available, NaN, and a pod that is idle twice."""
    there = pods(4)
    pod = there[1]
    strange = node("of-another", "gpu", GPUS, available=())
    more = node(pod.name, "gpu", GPUS, available=resources(GPU=1e18))
    not_a_number = node(pod.name, "gpu", (("GPU", math.nan),), available=())
    assert use(there, strange, more, not_a_number) == GpuUse(4, 0, 0)
    assert use(there, idle(pod), idle(pod)) == GpuUse(4, 0, 4)


class Looked(tuple[tuple[str, float], ...]):  # noqa: SLOT001 - a tuple can have no slots of its own
    """Resources that count how many times they are read."""

    times = 0

    def __iter__(self) -> Iterator[tuple[str, float]]:
        self.times += 1
        return super().__iter__()


def test_only_the_first_live_node_of_a_pod_counts() -> None:
    """A head may list 4,000 of one name; a pod is either used or idle."""
    pod, looked = pods(4)[1], Looked(GPUS)
    again = [busy(pod), idle(pod)]
    gone = node(pod.name, "gpu", GPUS, status=NodeStatus.DEAD, available=())
    assert use([pod], gone, *again) == GpuUse(4, 4, 0)
    assert use([pod], gone, *reversed(again)) == GpuUse(4, 0, 4)
    assert use([pod, *pods(4, 4)[2:]], *[node(pod.name, "gpu", looked, available=())] * 4000).used == 4
    assert looked.times == 1


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seconds = GpuSeconds(lambda: self.now)

    def after(self, seconds: float, now: GpuUse, uid: str = UID, key: Key = KEY) -> GpuUse:
        """The accounted seconds after so many seconds, when `now` begins."""
        self.now += seconds
        return self.seconds.account(key, uid, now)


def test_time_is_accounted_by_the_previous_state() -> None:
    """It is accounted from one look to the next."""
    clock = Clock()
    assert clock.after(0, GpuUse(8, 4, 2)) == GpuUse(0, 0, 0)
    assert clock.after(10, GpuUse(8, 8, 0)) == GpuUse(80, 40, 20)
    assert clock.after(0, GpuUse(8, 8, 0)) == GpuUse(80, 40, 20)
    assert clock.after(5, GpuUse(0, 0, 0)) == GpuUse(120, 80, 20)
    assert clock.after(1000, GpuUse(1, 0, 0)) == GpuUse(120, 80, 20)


def test_while_ray_is_unknown_only_allocated_gpus_are_accounted() -> None:
    """Nothing is added for that time once it is known again."""
    clock = Clock()
    clock.after(0, GpuUse(8, 8, 0))
    assert clock.after(10, GpuUse(8)) == GpuUse(80, None, None)
    assert clock.after(10, GpuUse(8, 4, 4)) == GpuUse(160, 80, 0)
    assert clock.after(10, GpuUse(8, 4, 4)) == GpuUse(240, 120, 40)


def test_another_cluster_of_the_same_name_starts_at_0() -> None:
    """So does a forgotten one, and all of them with another leader."""
    clock = Clock()
    clock.after(0, GpuUse(8))
    assert clock.after(10, GpuUse(8)).allocated == 80
    assert clock.after(10, GpuUse(8), uid="another").allocated == 0
    clock.seconds.forget(KEY)
    assert clock.after(10, GpuUse(8), uid="another").allocated == 0
    clock.seconds.forget_all()
    assert clock.after(10, GpuUse(8), uid="another").allocated == 0


def test_a_clock_that_does_not_advance_changes_nothing() -> None:
    """A counter never falls."""
    clock = Clock()
    clock.after(0, GpuUse(8))
    clock.after(10, GpuUse(8))
    assert clock.after(-5, GpuUse(8)).allocated == 80


def test_a_cluster_without_gpus_has_no_account() -> None:
    """It still shows zeros; its account starts with its first GPU."""
    clock = Clock()
    assert clock.after(0, GpuUse(0)) == GpuUse(0)
    assert clock.after(10, GpuUse(0, 0, 0)) == GpuUse(0, 0, 0)
    assert not clock.seconds._accounts
    assert clock.after(10, GpuUse(4, 0, 4)) == GpuUse(0, 0, 0)
    assert clock.after(10, GpuUse(0, 0, 0)) == GpuUse(40, 0, 40)
