"""Limits on growth: max, ceilings of cost, blocked pods and their fallbacks, windows, policies."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.raycluster import Behavior, Fallback, ScalingRules
from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Blocked,
    BlockedReason,
    Decision,
    GpuHeadroom,
    HoldKind,
    Memory,
    Tier,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.autoscaling.inputs import Recommendation, ScaleEvent
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.sizing.rates import rate_limited
from rayfleet.ray.state import Demand, Gang, RayState, Strategy
from support.demand_cases import busy, pods, resources, state, tasks

NOW = 10_000.0
GPU = WorkerGroup("gpu", resources(CPU=4, GPU=1), max_replicas=10)
SPOT = WorkerGroup("spot", resources(CPU=4, GPU=1), max_replicas=10)
NO_ROOM = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"


def decided(
    ray: RayState,
    *groups: WorkerGroup,
    workers: tuple[Worker, ...] = (),
    memory: Memory | None = None,
    **policy: Any,
) -> Decision:
    return decide(ray, groups, workers, AutoscalingPolicy(**policy), memory or Memory(), now=NOW)


def behavior(**rules: Any) -> Behavior:
    return Behavior.model_validate(rules)


def held(decision: Decision) -> list[tuple[HoldKind, str]]:
    return [tuple(hold) for answer in decision.answers for hold in answer.holds]  # type: ignore[misc]  # a NamedTuple as a plain one


def blocked(name: str, since: float, group: str = "gpu") -> Worker:
    """A pod for which the scheduler finds no node."""
    return Worker(name, group, since, blocked=Blocked(BlockedReason.UNSCHEDULABLE, NO_ROOM, since))


def test_no_group_grows_above_its_max() -> None:
    """The reason names it."""
    decision = decided(state(tasks(20, GPU=1)), GPU)
    assert decision.group("gpu").wanted == 10
    assert held(decision) == [(HoldKind.MAX, "gpu is at its max of 10 replicas")]
    assert decision.answers[0].unserved == 10


def test_a_group_that_is_too_small_for_a_waiting_gang_is_not_called_large_enough() -> None:
    """Its reason says what holds the gang."""
    gang = Gang("ab12", Strategy.STRICT_SPREAD, (tasks(11, GPU=1),))
    decision = decided(state(gangs=(gang,)), GPU)
    words = "a placement group waits for all of its bundles: gpu is at its max of 10 replicas"
    assert (decision.group("gpu").wanted, decision.group("gpu").reason) == (0, words)


def test_an_open_max_has_a_ceiling_of_its_own() -> None:
    """One typing error must not ask a cloud for ten thousand GPUs."""
    decision = decided(state(tasks(10_000, GPU=1)), WorkerGroup("gpu", resources(GPU=1)), open_max_pods=100)
    assert decision.group("gpu").wanted == 100
    assert held(decision)[0][1].endswith("(maxReplicas is not set, so at most 100 pods)")


def test_the_tightest_ceiling_of_cost_holds_and_is_named() -> None:
    """Three more GPUs, whatever max says."""
    ceilings = (GpuHeadroom("32 GPUs in namespace team-a", 3), GpuHeadroom("100 GPUs in total", 50))
    decision = decided(state(tasks(5, GPU=1)), GPU, ceilings=ceilings)
    assert decision.group("gpu").wanted == 3
    assert held(decision) == [(HoldKind.CEILING, "gpu: 32 GPUs in namespace team-a")]


def test_a_ceiling_of_gpus_does_not_hold_groups_without() -> None:
    """They use no GPUs."""
    cpu = WorkerGroup("cpu", resources(CPU=4), max_replicas=5)
    decision = decided(state(tasks(1, GPU=1), tasks(4, CPU=4)), GPU, cpu, ceilings=(GpuHeadroom("none", 0),))
    assert (decision.group("cpu").wanted, decision.group("gpu").wanted) == (4, 0)


def test_a_ceiling_goes_before_min() -> None:
    """The admin sets the limit of cost, the user min."""
    decision = decided(state(), replace(GPU, min_replicas=5), ceilings=(GpuHeadroom("2 GPUs", 2),))
    assert decision.group("gpu").wanted == 2


def test_a_replica_of_many_hosts_needs_room_for_all_of_its_gpus() -> None:
    """Four hosts of one GPU do not fit under three."""
    group = replace(GPU, num_of_hosts=4)
    decision = decided(state(tasks(1, GPU=1)), group, ceilings=(GpuHeadroom("3 GPUs", 3),))
    assert decision.group("gpu").wanted == 0


def test_new_gpus_a_minute_spread_growth() -> None:
    """The rest waits for the next minute, and the reason names the limit."""
    decision = decided(state(tasks(5, GPU=1)), GPU, new_gpus=GpuHeadroom("2 new GPUs a minute", 2))
    assert decision.group("gpu").wanted == 2
    assert (HoldKind.RATE, "gpu: 2 new GPUs a minute") in held(decision)


def test_min_is_started_without_demand() -> None:
    """So is the size that a metric asks for, up to max."""
    assert decided(state(), replace(GPU, min_replicas=2)).group("gpu").wanted == 2
    assert decided(state(), replace(GPU, metric_replicas=50)).group("gpu").wanted == 10


def test_the_size_of_a_metric_and_of_demand_are_not_added_up() -> None:
    """The larger counts: the nodes that the metric asks for take the demand."""
    assert decided(state(tasks(2, GPU=1)), replace(GPU, metric_replicas=3)).group("gpu").wanted == 3
    assert decided(state(tasks(5, GPU=1)), replace(GPU, metric_replicas=3)).group("gpu").wanted == 5


def test_a_group_that_is_withheld_starts_nothing() -> None:
    """The demand that waits for it has the same reason."""
    decision = decided(state(tasks(1, GPU=1)), replace(GPU, withheld="suspended", min_replicas=1))
    assert decision.group("gpu").wanted == 0
    assert held(decision) == [(HoldKind.WITHHELD, "gpu: suspended")]


def test_a_blocked_pod_counts_as_coming_for_a_time() -> None:
    """Cloud GPU nodes are slow; the scheduler's message is shown meanwhile."""
    workers = (blocked("p", NOW - 899),)
    decision = decided(state(tasks(1, GPU=1)), replace(GPU, desired=1), SPOT, workers=workers)
    assert (decision.group("spot").wanted, decision.next_look) == (0, 1)
    assert decision.group("gpu").blocked == f"gpu: Unschedulable: {NO_ROOM}"


def test_after_that_its_work_goes_to_another_group() -> None:
    """The pod stays while nothing else makes it superfluous."""
    workers = (blocked("p", NOW - 900),)
    decision = decided(state(tasks(1, GPU=1)), replace(GPU, desired=1), SPOT, workers=workers)
    assert (decision.group("gpu").wanted, decision.group("spot").wanted) == (1, 1)


def test_without_another_group_its_work_goes_on_waiting() -> None:
    """The scheduler's message is the reason."""
    workers = (blocked("p", NOW - 5000),)
    decision = decided(state(tasks(1, GPU=1)), replace(GPU, desired=1), workers=workers)
    (answer,) = decision.answers
    assert (decision.group("gpu").wanted, answer.unserved) == (1, 1)
    assert answer.placed[0].tier is Tier.BLOCKED
    assert held(decision) == [(HoldKind.BLOCKED, f"gpu: Unschedulable: {NO_ROOM}")]


def test_a_fallbacks_own_time_counts_if_it_is_set() -> None:
    """Here it is ten seconds instead of 900."""
    group = replace(GPU, desired=1, fallback=Fallback(groups=("spot",), after_seconds=10))
    for age, spot in ((9, 0), (10, 1)):
        decision = decided(state(tasks(1, GPU=1)), group, SPOT, workers=(blocked("p", NOW - age),))
        assert decision.group("spot").wanted == spot


def test_a_fallback_is_used_last_while_the_first_choice_is_free() -> None:
    """Its higher priority does not matter."""
    group = replace(GPU, max_replicas=2, fallback=Fallback(groups=("spot",)))
    decision = decided(state(tasks(3, GPU=1)), group, replace(SPOT, priority=9))
    assert (decision.group("gpu").wanted, decision.group("spot").wanted) == (2, 1)


def test_the_first_choice_is_used_again_once_it_is_free() -> None:
    """New work goes back; what runs on the fallback stays until it is idle."""
    group = replace(GPU, fallback=Fallback(groups=("spot",)))
    there = busy("s", SPOT)
    ray = state(tasks(1, GPU=1), nodes=[there])
    decision = decided(ray, group, replace(SPOT, desired=1), workers=pods(there))
    assert (decision.group("gpu").wanted, decision.group("spot").wanted) == (1, 1)


def test_pods_that_the_api_server_refuses_are_blocked_as_well() -> None:
    """They are blocked since the first refusal, which is remembered."""
    words = "exceeded quota: requests.nvidia.com/gpu=8"
    group = replace(GPU, desired=2, refused=Blocked(BlockedReason.QUOTA_EXCEEDED, words, NOW))
    first = decided(state(tasks(2, GPU=1)), group, SPOT)
    assert (first.group("spot").wanted, first.group("gpu").blocked) == (0, f"gpu: QuotaExceeded: {words}")
    memory = replace(first.memory, blocked_since={"gpu": NOW - 900})
    later = decided(state(tasks(2, GPU=1)), group, SPOT, memory=memory)
    assert later.group("spot").wanted == 2


def test_conservative_mode_starts_at_most_as_many_as_are_running() -> None:
    """It starts at least one."""
    assert decided(state(tasks(9, GPU=1)), GPU, upscaling_mode="Conservative").group("gpu").wanted == 1
    nodes = [busy(f"p{i}", GPU) for i in range(3)]
    workers = (*pods(*nodes), Worker("p3", "gpu", NOW))
    ray = state(tasks(9, GPU=1), nodes=nodes)
    decision = decided(ray, replace(GPU, desired=4), workers=workers, upscaling_mode="Conservative")
    assert decision.group("gpu").wanted == 6
    assert decision.group("gpu").holds[0].message == (
        "gpu: upscalingMode Conservative: at most 3 of gpu may start at a time"
    )


@pytest.mark.parametrize("mode", ["Default", "Aggressive"])
def test_the_other_modes_limit_nothing(mode: str) -> None:
    """Ray defines them so."""
    assert decided(state(tasks(9, GPU=1)), GPU, upscaling_mode=mode).group("gpu").wanted == 9


POLICIES = [
    pytest.param({"type": "Pods", "value": 2}, 2, id="pods"),
    pytest.param({"type": "Percent", "value": 50}, 2, id="percent of the size at the period's start"),
    pytest.param({"type": "Percent", "value": 1}, 1, id="at least one"),
]


@pytest.mark.parametrize(("limit", "more"), POLICIES)
def test_policies_limit_growth_in_a_period(limit: dict[str, Any], more: int) -> None:
    """The group has four, with much demand."""
    nodes = [busy(f"p{i}", GPU) for i in range(4)]
    rules = behavior(scaleUp={"policies": [limit | {"periodSeconds": 60}]})
    ray = state(tasks(9, GPU=1), nodes=nodes)
    group = replace(GPU, desired=4)
    decision = decided(ray, group, workers=pods(*nodes), behavior=rules)
    assert decision.group("gpu").wanted == 4 + more
    assert decision.memory.changes == {"gpu": (ScaleEvent(NOW, more),)}


def test_changes_within_the_period_count() -> None:
    """The rest comes when it has ended, and the decision says when."""
    rules = behavior(scaleUp={"policies": [{"type": "Pods", "value": 3, "periodSeconds": 60}]})
    memory = Memory(began=0, changes={"gpu": (ScaleEvent(NOW - 20, 2), ScaleEvent(NOW - 70, 3))})
    decision = decided(state(tasks(9, GPU=1)), GPU, behavior=rules, memory=memory)
    assert (decision.group("gpu").wanted, decision.next_look) == (1, 40)


def test_with_growth_disabled_a_group_does_not_grow() -> None:
    """It keeps its min."""
    rules = behavior(scaleUp={"selectPolicy": "Disabled"})
    decision = decided(state(tasks(9, GPU=1)), replace(GPU, min_replicas=2), behavior=rules)
    assert decision.group("gpu").wanted == 2


def test_the_lowest_recommendation_of_the_window_counts_upwards() -> None:
    """A short peak of demand starts nothing."""
    rules = behavior(scaleUp={"stabilizationWindowSeconds": 30})
    seen = (Recommendation(NOW - 100, 0), Recommendation(NOW - 10, 4))
    memory = Memory(began=NOW - 500, recommendations={"gpu": seen})
    decision = decided(state(tasks(4, GPU=1)), GPU, behavior=rules, memory=memory)
    assert (decision.group("gpu").wanted, decision.next_look) == (0, 20)
    lasting = Memory(began=NOW - 500, recommendations={"gpu": (Recommendation(NOW - 30, 4),)})
    assert decided(state(tasks(4, GPU=1)), GPU, behavior=rules, memory=lasting).group("gpu").wanted == 4


INFEASIBLE = [
    pytest.param(tasks(1, GPU=8), "8 GPUs on one node: the largest group has 1", id="too many"),
    pytest.param(tasks(1, CPU=1, tape=1), "1 tape on one node: the largest group has none", id="unknown"),
    pytest.param(
        tasks(1, GPU=1, memory=64 << 30),
        "64 GiB of memory on one node: the largest group has 16 GiB",
        id="bytes",
    ),
    pytest.param(
        tasks(1, GPU=1, memory=8 << 30),
        "1 GPU and 8 GiB of memory on one node: no group has all of it",
        id="not together",
    ),
]


@pytest.mark.parametrize(("demand", "words"), INFEASIBLE)
def test_infeasible_demand_is_explained(demand: Demand, words: str) -> None:
    """It is larger than every node, so Ray may fail it if the user has asked for that."""
    memory = WorkerGroup("memory", resources(CPU=4, memory=16 << 30), max_replicas=3)
    decision = decided(state(demand), GPU, memory)
    assert held(decision) == [(HoldKind.INFEASIBLE, words)]
    assert decision.oversized == (demand.shape,)


def test_demand_that_max_or_a_ceiling_holds_is_never_called_oversized() -> None:
    """It waits, because a max of 0 may be raised."""
    closed = replace(GPU, max_replicas=0)
    assert decided(state(tasks(1, GPU=1)), closed).oversized == ()
    assert decided(state(tasks(1, GPU=1)), GPU, ceilings=(GpuHeadroom("0 GPUs", 0),)).oversized == ()


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
def test_an_amount_that_is_not_a_number_fits_nowhere(amount: float) -> None:
    """A head that reports nonsense starts nothing."""
    decision = decided(state(tasks(1, CPU=amount)), GPU)
    assert decision.group("gpu").wanted == 0


def test_replicas_that_a_ceiling_holds_are_not_capacity_on_its_way() -> None:
    """Work that any node can do does not wait for them; they stay desired, and the hold is named."""
    cpu = WorkerGroup("cpu", resources(CPU=4), max_replicas=5)
    first = replace(GPU, desired=6)
    decision = decided(state(tasks(8, CPU=4)), first, cpu, ceilings=(GpuHeadroom("2 GPUs", 2),))
    assert (decision.group("gpu").wanted, decision.group("cpu").wanted) == (6, 5)
    hold = (HoldKind.CEILING, "4 replicas of gpu wait: 2 GPUs")
    assert decision.group("gpu").holds == (hold,)


def test_replicas_that_are_already_desired_take_their_room_once() -> None:
    """Two of the three GPUs are for pods that are about to be created."""
    decision = decided(state(tasks(9, GPU=1)), replace(GPU, desired=2), ceilings=(GpuHeadroom("3 GPUs", 3),))
    assert decision.group("gpu").wanted == 3


def test_the_rest_of_a_started_replica_gets_room_first() -> None:
    """One host of four exists; the other three take the room."""
    group = replace(GPU, num_of_hosts=4, desired=1)
    there = (Worker("a-0", "gpu", 0.0, replica="a"),)
    decision = decided(state(tasks(9, GPU=1)), group, workers=there, ceilings=(GpuHeadroom("6 GPUs", 6),))
    assert decision.group("gpu").wanted == 1


def test_the_next_look_is_when_a_window_is_full_or_its_largest_value_leaves_it() -> None:
    """Before 300 s are remembered nothing goes; then only the largest of what was recommended counts."""
    rules = ScalingRules(stabilization_window_seconds=300)
    policy = AutoscalingPolicy(behavior=Behavior(scale_down=rules))
    for began, seen, possible, again in (
        (NOW - 290, ((NOW - 290, 3), (NOW - 100, 4)), 0, 10),
        (NOW - 300, ((NOW - 300, 3), (NOW - 100, 4)), 1, 200),
        (NOW - 900, ((NOW - 800, 5),), 0, 300),
    ):
        memory = Memory(began=began, recommendations={"gpu": tuple(Recommendation(*one) for one in seen)})
        limited = rate_limited(GPU, SizingContext(policy, memory, NOW), size=5, asked=3, up=False)
        assert (limited.replicas, limited.again_in) == (possible, again)
