"""Which groups grow for which demand: best fit, labels, fractions, gangs, `request_resources`."""

import pytest

from rayfleet.api.names import HEAD_GROUP
from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Decision,
    HoldKind,
    Memory,
    Tier,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.ray.state import Gang, LabelConstraint, NodeStatus, RayState, Strategy
from support.demand_cases import ACCELERATOR, busy, idle, node, pods, resources, state, tasks

CPU = WorkerGroup("cpu", resources(CPU=8), max_replicas=10)
GPU = WorkerGroup("gpu", resources(CPU=4, GPU=1), max_replicas=10)
BIG = WorkerGroup("big", resources(CPU=32, GPU=8), max_replicas=10)
H100 = (LabelConstraint(ACCELERATOR, ("H100",)),)
L4 = (LabelConstraint(ACCELERATOR, ("L4",)),)


def decided(ray: RayState, *groups: WorkerGroup, workers: tuple[Worker, ...] = ()) -> Decision:
    return decide(ray, groups, workers, AutoscalingPolicy(), Memory(), now=1000)


def wanted(ray: RayState, *groups: WorkerGroup, workers: tuple[Worker, ...] = ()) -> dict[str, int]:
    return {
        group.name: group.wanted for group in decided(ray, *groups, workers=workers).groups if group.wanted
    }


def test_each_task_gets_its_share_of_a_node() -> None:
    """Ten tasks of half a GPU fill five nodes."""
    assert wanted(state(tasks(10, GPU=0.5)), GPU) == {"gpu": 5}


@pytest.mark.parametrize(("share", "nodes"), [(0.1, 1), (0.3, 4), (0.33, 4), (0.25, 3), (0.0001, 1)])
def test_fractions_add_up_without_rounding_errors(share: float, nodes: int) -> None:
    """Ten tenths are one GPU, though ten times 0.1 is not 1 in floating point."""
    assert wanted(state(tasks(10, GPU=share)), GPU) == {"gpu": nodes}


def test_work_without_gpus_goes_to_the_group_without() -> None:
    """Whatever the names are, and although it would fit on GPU nodes."""
    assert wanted(state(tasks(16, CPU=1)), GPU, CPU, BIG) == {"cpu": 2}


def test_work_without_gpus_uses_gpu_nodes_when_nothing_else_can() -> None:
    """A preference must not let it wait without end."""
    assert wanted(state(tasks(1, CPU=16)), GPU, CPU, BIG) == {"big": 1}


def test_a_free_node_without_gpus_is_used_before_one_with() -> None:
    """Existing nodes are used before new ones, and those without GPUs first."""
    nodes = (idle("g", GPU, 5), idle("c", CPU, 5))
    answer = decided(state(tasks(2, CPU=2), nodes=nodes), CPU, GPU, workers=pods(*nodes)).answers[0]
    assert [(placed.group, placed.tier) for placed in answer.placed] == [("cpu", Tier.RUNNING)]


def test_the_big_group_is_chosen_only_when_only_it_fits() -> None:
    """Two GPUs on one node need the big group; two tasks of one GPU do not."""
    assert wanted(state(tasks(1, GPU=2)), GPU, BIG) == {"big": 1}
    assert wanted(state(tasks(2, CPU=1, GPU=1)), GPU, BIG) == {"gpu": 2}


def test_a_new_node_is_no_larger_than_its_work() -> None:
    """The last two tasks of ten do not get a node for eight."""
    assert wanted(state(tasks(9, CPU=4, GPU=1)), GPU, BIG) == {"big": 1, "gpu": 1}


def test_among_equals_the_higher_priority_grows_first() -> None:
    """The other takes the rest above its max."""
    low = WorkerGroup("a", resources(GPU=1), max_replicas=5, priority=1)
    high = WorkerGroup("b", resources(GPU=1), max_replicas=2, priority=2)
    assert wanted(state(tasks(3, GPU=1)), low, high) == {"a": 1, "b": 2}


def test_labels_choose_the_group() -> None:
    """Only nodes whose labels satisfy the selector count."""
    h100 = WorkerGroup("h100", resources(GPU=1), ((ACCELERATOR, "H100"),), max_replicas=5)
    l4 = WorkerGroup("l4", resources(GPU=1), ((ACCELERATOR, "L4"),), max_replicas=5)
    assert wanted(state(tasks(2, H100, GPU=1), tasks(1, L4, GPU=1)), h100, l4) == {"h100": 2, "l4": 1}


def test_the_fallback_of_a_selector_is_taken_when_the_first_choice_is_full() -> None:
    """The best alternatives come first."""
    h100 = WorkerGroup("h100", resources(GPU=1), ((ACCELERATOR, "H100"),), max_replicas=1)
    l4 = WorkerGroup("l4", resources(GPU=1), ((ACCELERATOR, "L4"),), max_replicas=5)
    assert wanted(state(tasks(3, H100, L4, GPU=1)), h100, l4) == {"h100": 1, "l4": 2}


def test_a_negated_selector_takes_nodes_without_the_label() -> None:
    """A missing label satisfies NOT IN."""
    spot = WorkerGroup("spot", resources(CPU=4), (("market", "spot"),), max_replicas=5)
    plain = WorkerGroup("plain", resources(CPU=4), max_replicas=5)
    not_spot = (LabelConstraint("market", ("spot",), negated=True),)
    assert wanted(state(tasks(4, not_spot, CPU=1)), spot, plain) == {"plain": 1}


def test_rays_own_label_of_the_group_can_be_selected() -> None:
    """Ray sets it on every node, so templates have it too."""
    other = WorkerGroup("other", resources(CPU=8), max_replicas=10)
    mine = (LabelConstraint("ray.io/node-group", ("other",)),)
    assert wanted(state(tasks(1, mine, CPU=1)), CPU, other) == {"other": 1}


def test_work_that_is_bound_to_one_node_starts_no_other() -> None:
    """Only that node has the resource of its address."""
    there = node("p", "cpu", (*CPU.resources, ("node:10.0.0.7", 1.0)), available=())
    ray = state(tasks(1, **{"CPU": 1, "node:10.0.0.7": 0.01}), nodes=[there])
    answer = decided(ray, CPU, workers=pods(there)).answers[0]
    assert (answer.unserved, answer.holds[0].kind) == (1, HoldKind.MAX)


def test_free_resources_of_the_head_are_used() -> None:
    """Unless the head takes no work."""
    head = node("head", HEAD_GROUP, resources(CPU=2))
    assert wanted(state(tasks(2, CPU=1), nodes=[head]), CPU) == {}
    assert wanted(state(tasks(3, CPU=1), nodes=[head]), CPU) == {"cpu": 1}


def test_pods_on_their_way_count() -> None:
    """The same demand asks for nothing twice."""
    coming = (Worker("p1", "gpu", since=990), Worker("p2", "gpu", since=990))
    decision = decided(state(tasks(2, GPU=1)), WorkerGroup("gpu", GPU.resources, desired=2), workers=coming)
    assert (decision.group("gpu").wanted, decision.group("gpu").launches) == (2, 0)


def test_replicas_without_pods_yet_count_too() -> None:
    """The last decision asked for them, and they are about to be created."""
    decision = decided(state(tasks(2, GPU=1)), WorkerGroup("gpu", GPU.resources, desired=2))
    assert (decision.group("gpu").wanted, decision.group("gpu").launches) == (2, 2)


def test_a_draining_node_does_not_count_as_capacity() -> None:
    """Ray places nothing on it any more."""
    leaving = idle("p", CPU, 100)
    ray = state(tasks(1, CPU=1), nodes=[leaving])
    decision = decided(ray, CPU, workers=(Worker("p", "cpu", since=0, draining=True),))
    assert (decision.group("cpu").wanted, decision.drains) == (1, ())


def test_the_pod_of_a_dead_node_does_not_count_as_running() -> None:
    """Its name stays among Ray's nodes for long."""
    dead = node("p", "cpu", CPU.resources, status=NodeStatus.DEAD)
    answer = decided(state(tasks(1, CPU=1), nodes=[dead]), CPU, workers=pods(dead)).answers[0]
    assert [placed.tier for placed in answer.placed] == [Tier.COMING]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_gang_is_started_whole_or_not_at_all(strategy: Strategy) -> None:
    """Four GPUs where three are the most: nothing starts, and the reason is reported."""
    few = WorkerGroup("gpu", resources(CPU=4, GPU=1), max_replicas=3)
    decision = decided(state(gangs=[Gang("pg", strategy, (tasks(4, GPU=1),))]), few)
    (answer,) = decision.answers
    assert decision.group("gpu").wanted == 0
    assert answer.placed == ()
    assert answer.holds


def test_a_gang_that_max_holds_back_says_so() -> None:
    """The status shows this message."""
    few = WorkerGroup("gpu", resources(CPU=4, GPU=1), max_replicas=3)
    decision = decided(state(gangs=[Gang("pg", Strategy.PACK, (tasks(4, GPU=1),))]), few)
    assert decision.summary == (
        "Desired: gpu 0. A gang of 4 x 1 GPU waits: "
        "gpu is at its max of 3 replicas (all of its bundles are needed at once)."
    )


STRATEGIES = [
    pytest.param(Strategy.PACK, {"big": 1}, id="PACK: few nodes"),
    pytest.param(Strategy.SPREAD, {"big": 1}, id="SPREAD: a preference that costs no node"),
    pytest.param(Strategy.STRICT_PACK, {"big": 1}, id="STRICT_PACK: one node"),
    pytest.param(Strategy.STRICT_SPREAD, {"gpu": 4, "big": 4}, id="STRICT_SPREAD: a node each"),
]


@pytest.mark.parametrize(("strategy", "size"), STRATEGIES)
def test_a_gang_is_placed_by_its_strategy(strategy: Strategy, size: dict[str, int]) -> None:
    """The gang has eight bundles of one GPU."""
    few = WorkerGroup("gpu", resources(CPU=4, GPU=1), max_replicas=4)
    found = wanted(state(gangs=[Gang("pg", strategy, (tasks(8, CPU=4, GPU=1),))]), few, BIG)
    assert found == size


def test_a_strict_spread_uses_different_existing_nodes() -> None:
    """One node with room for all is not enough."""
    there = busy("b", BIG, CPU=32, GPU=8)
    gang = Gang("pg", Strategy.STRICT_SPREAD, (tasks(2, GPU=1),))
    assert wanted(state(nodes=[there], gangs=[gang]), GPU, BIG, workers=pods(there)) == {"big": 1, "gpu": 1}


def test_a_multi_host_group_grows_by_whole_replicas() -> None:
    """Five tasks need a host each, and replicas have four."""
    slices = WorkerGroup("tpu", resources(CPU=4, TPU=4), num_of_hosts=4, max_replicas=3)
    decision = decided(state(tasks(5, TPU=4)), slices)
    assert (decision.group("tpu").wanted, decision.group("tpu").pending) == (2, 8)


def test_request_resources_counts_busy_nodes() -> None:
    """The cluster must have so much, not have it free."""
    there = busy("c", CPU)
    ray = state(nodes=[there], constraints=[(tasks(8, CPU=1),)])
    assert wanted(ray, CPU, workers=pods(there)) == {"cpu": 1}


def test_request_resources_starts_what_is_missing_and_demand_may_use_it() -> None:
    """Sixteen CPUs are requested, eight of them needed now."""
    assert wanted(state(tasks(8, CPU=1), constraints=[(tasks(16, CPU=1),)]), CPU) == {"cpu": 2}


def test_request_resources_gets_as_much_as_fits() -> None:
    """Unlike Ray, which starts nothing when it cannot have all."""
    decision = decided(state(constraints=[(tasks(1000, CPU=1),)]), CPU)
    assert decision.group("cpu").wanted == 10
    assert decision.answers[0].holds[0].message == "cpu is at its max of 10 replicas"


def test_lists_of_request_resources_are_not_added_up() -> None:
    """The whole cluster satisfies each."""
    assert wanted(state(constraints=[(tasks(8, CPU=1),), (tasks(4, CPU=2),)]), CPU) == {"cpu": 1}


def test_ten_shapes_on_four_groups_end_as_computed_by_hand() -> None:
    """Labels, fractions, memory, custom resources, and parents that hold CPUs while their children wait."""
    cpu = WorkerGroup("cpu", resources(CPU=8, memory=32 << 30), max_replicas=5)
    licence = WorkerGroup("licence", resources(CPU=2, licence=1), max_replicas=2)
    l4 = WorkerGroup("l4", resources(CPU=8, GPU=1), ((ACCELERATOR, "L4"),), max_replicas=5)
    h100 = WorkerGroup("h100", resources(CPU=32, GPU=8), ((ACCELERATOR, "H100"),), max_replicas=3)
    # A node full of parents that wait for their children: no room, and it stays.
    parents = busy("parents", cpu, memory=32 << 30)
    ray = state(
        tasks(2, H100, CPU=8, GPU=8),  # two whole H100 nodes
        tasks(1, H100, CPU=1, GPU=0.5),  # the third
        tasks(2, H100, CPU=4, GPU=2),  # with it: 4.5 of 8 GPUs
        tasks(4, L4, CPU=1, GPU=0.25),  # one L4 node
        tasks(1, L4, CPU=2, GPU=1),  # another
        tasks(2, CPU=1, licence=1),  # both licence nodes
        tasks(1, CPU=1, memory=30 << 30),  # a CPU node nearly full of memory
        tasks(6, CPU=2),  # children
        tasks(1, CPU=64),  # on no node at all
        tasks(1, L4, H100, CPU=1, GPU=0.5),  # room on the third H100 node, so no third L4 node
        nodes=[parents],
    )
    decision = decided(ray, cpu, licence, l4, h100, workers=pods(parents))
    unserved = {answer.shape.resources: answer.unserved for answer in decision.answers if answer.unserved}
    assert {group.name: group.wanted for group in decision.groups} == {
        "cpu": 2,
        "h100": 3,
        "l4": 2,
        "licence": 2,
    }
    assert unserved == {resources(CPU=64): 1}
