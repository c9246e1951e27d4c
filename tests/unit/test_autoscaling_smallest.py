"""The smallest sufficient group: everything that a node has counts, requested or not."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling import AutoscalingPolicy, Memory, WorkerGroup, decide
from rayfleet.kinds.raycluster.plan.scaling import group_of
from rayfleet.ray.state import Gang, RayState, Strategy
from support.builders import group, parsed, spec
from support.demand_cases import idle, node, pods, resources, state, tasks

GIB = 1 << 30
A100 = WorkerGroup("a100", resources(CPU=12, GPU=1, memory=80 * GIB), max_replicas=5)
T4 = WorkerGroup("t4", resources(CPU=4, GPU=1, memory=15 * GIB), max_replicas=5)
HIGHMEM = WorkerGroup("highmem", resources(CPU=4, memory=512 * GIB), max_replicas=5)
STANDARD = WorkerGroup("standard", resources(CPU=4, memory=16 * GIB), max_replicas=5)
CPU = WorkerGroup("z-cpu", resources(CPU=4, memory=16 * GIB), max_replicas=50)


def wanted(ray: RayState, *groups: WorkerGroup) -> dict[str, int]:
    decision = decide(ray, groups, (), AutoscalingPolicy(), Memory(), now=1000)
    return {group.name: group.wanted for group in decision.groups if group.wanted}


@pytest.mark.parametrize(
    ("ray", "groups", "sizes"),
    [
        pytest.param(state(tasks(3, GPU=1)), (A100, T4), {"t4": 3}, id="tasks"),
        pytest.param(state(tasks(300, GPU=0.01)), (A100, T4), {"t4": 3}, id="parts of a GPU"),
        pytest.param(state(tasks(4, CPU=1)), (HIGHMEM, STANDARD), {"standard": 1}, id="memory"),
        pytest.param(
            state(gangs=[Gang("ab", Strategy.STRICT_SPREAD, (tasks(3, GPU=1),))]),
            (A100, T4),
            {"t4": 3},
            id="a gang",
        ),
        pytest.param(state(constraints=[(tasks(3, GPU=1),)]), (A100, T4), {"t4": 3}, id="request_resources"),
        pytest.param(
            state(tasks(3, GPU=1)),
            (replace(A100, num_of_hosts=2), replace(T4, num_of_hosts=2)),
            {"t4": 2},
            id="several hosts",
        ),
    ],
)
def test_the_sufficient_group_with_less_of_everything_grows(
    ray: RayState, groups: tuple[WorkerGroup, ...], sizes: dict[str, int]
) -> None:
    """Names and order do not matter."""
    assert wanted(ray, *groups) == sizes
    renamed = [replace(one, name=name) for one, name in zip(groups, ("z", "y"), strict=True)]
    assert wanted(ray, *renamed) == {{"a100": "z", "highmem": "z"}.get(k, "y"): n for k, n in sizes.items()}


def test_a_priority_goes_before_the_size_of_nodes() -> None:
    """Both groups fit the demand equally well, and the user has said which to take."""
    assert wanted(state(tasks(3, GPU=1)), replace(A100, priority=10), T4) == {"a100": 3}


@pytest.mark.parametrize("name", ["TPU", "neuron_cores", "HPU", "NPU", "RBLN", "FURIOSA"])
def test_work_without_accelerators_takes_no_node_that_has_one(name: str) -> None:
    """It does not matter how well it would fill that node."""
    big = WorkerGroup("big", resources(CPU=200, memory=800 * GIB, **{name: 4}), max_replicas=5)
    assert wanted(state(tasks(100, CPU=2)), big, CPU) == {"z-cpu": 50}
    assert wanted(state(tasks(3, CPU=1, **{name: 4})), big, CPU) == {"big": 3}
    assert wanted(state(tasks(3, CPU=2)), big) == {"big": 1}, "it does if nothing else can"


def test_work_without_accelerators_uses_other_running_nodes_first() -> None:
    """An idle TPU node leaves, and the CPU node is used."""
    tpu = WorkerGroup("tpu", resources(CPU=4, TPU=4), max_replicas=5, idle_timeout_seconds=1)
    there = [idle("tpu-1", tpu, 600.0), idle("cpu-1", CPU, 600.0)]
    decision = decide(
        state(tasks(1, CPU=1), nodes=there),
        [tpu, CPU],
        pods(*there),
        AutoscalingPolicy(),
        Memory(began=0),
        now=1000,
    )
    assert [drain.replica for drain in decision.drains] == ["tpu-1"]


def test_a_node_with_accelerator_work_may_get_other_work_too() -> None:
    """No second node starts for it, as with GPU nodes."""
    tpu = WorkerGroup("tpu", resources(CPU=8, TPU=4), max_replicas=5)
    assert wanted(state(tasks(1, TPU=4), tasks(4, CPU=1)), tpu, CPU) == {"tpu": 1}


@pytest.mark.parametrize("device", ["habana.ai/gaudi", "huawei.com/Ascend910", "aws.amazon.com/neuron"])
def test_a_device_that_ray_does_not_know_is_still_an_accelerator(device: str) -> None:
    """Its pod takes it from others, whatever the flags of `ray start` say."""
    limits = {"cpu": "64", "memory": "256Gi", device: "8"}
    template = {"spec": {"containers": [{"name": "ray", "resources": {"limits": limits}}]}}
    made = group_of(parsed(spec(group("dear", 0, template=template))).worker_group_specs[0], 60)
    assert wanted(state(tasks(30, CPU=2)), made, CPU) == {"z-cpu": 15}
    there = node("dear-1", "dear", made.resources)
    decision = decide(
        state(tasks(1, CPU=1), nodes=[there]), [made, CPU], pods(there), AutoscalingPolicy(), Memory(), 0
    )
    assert decision.answers[0].placed[0].group == "dear", "a running node is used before another starts"


def test_two_groups_of_equal_size_are_ordered_by_name() -> None:
    """The same answer every time."""
    twin: dict[str, Any] = {"resources": resources(CPU=4), "max_replicas": 5}
    assert wanted(state(tasks(1, CPU=1)), WorkerGroup("b", **twin), WorkerGroup("a", **twin)) == {"a": 1}
