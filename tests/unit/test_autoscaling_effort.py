"""A decision about a queue of any size ends: work beyond the limit waits, and is reported."""

import sys
import tracemalloc
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Decision,
    DemandAnswer,
    DemandHold,
    GpuHeadroom,
    HoldKind,
    Memory,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.autoscaling.decision import DemandKind
from rayfleet.autoscaling.summary import summary_of
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.gcs.replies import state_from
from rayfleet.ray.state import NodeStatus, RayState, Shape
from support.demand_cases import node, resources, tasks
from support.hostile_queues import GROUPS, QUEUES, gangs_of_two, some_of_everything
from support.stand_in_gcs import state

CPU = WorkerGroup("cpu", resources(CPU=8))


@pytest.fixture(scope="module")
def everything() -> RayState:
    return state_from(some_of_everything().SerializeToString())


def decided(ray: RayState) -> Decision:
    return decide(ray, GROUPS, (), AutoscalingPolicy(), Memory(), 0.0)


def too_much(decision: Decision) -> int:
    return sum(any(hold.kind is HoldKind.TOO_MUCH for hold in one.holds) for one in decision.answers)


@pytest.mark.parametrize("steps", [-1, 5_000, 20_000])
def test_demand_beyond_the_limit_of_effort_waits_and_is_reported(
    everything: RayState, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every entry has an answer, and the same state gives the same decision."""
    assert not too_much(decided(everything))
    monkeypatch.setattr("rayfleet.autoscaling.effort.MOST_STEPS", steps)
    decision = decided(everything)
    assert too_much(decision)
    assert len(decision.answers) == len(decided(everything).answers)
    assert decision == decided(everything)
    assert all(one.holds for one in decision.answers if one.unserved)


def test_nothing_shrinks_while_some_demand_was_not_considered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest may need a node that seems idle."""
    idle = node("c0", "cpu", CPU.resources, status=NodeStatus.IDLE, idle_seconds=1000.0)
    ray = RayState("s", 1, (idle,), (tasks(1, CPU=10_000.0), tasks(1, CPU=20_000.0)), (), ())
    workers = [Worker("c0", "cpu", 0)]
    assert decide(ray, [CPU], workers, AutoscalingPolicy(), Memory(began=0.0), 5000.0).drains
    monkeypatch.setattr("rayfleet.autoscaling.effort.MOST_STEPS", -1)
    assert not decide(ray, [CPU], workers, AutoscalingPolicy(), Memory(began=0.0), 5000.0).drains


def test_attempts_to_place_a_gang_are_not_kept() -> None:
    """For 10,000 gangs it would be gigabytes."""
    ray = state_from(gangs_of_two(150, nodes=1_500).SerializeToString())
    tracemalloc.start()
    decision = decide(ray, GROUPS[:2], (), AutoscalingPolicy(), Memory(), 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(decision.answers) == 300
    assert peak < 8 << 20


@pytest.mark.parametrize("queue", ["resources", "all together"])
def test_the_hardest_accepted_queues_are_decided_within_a_bound_of_memory(
    queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision keeps little besides the answer."""
    monkeypatch.setattr("rayfleet.autoscaling.effort.MOST_STEPS", 20_000)
    raw = QUEUES[queue]().SerializeToString()
    tracemalloc.start()
    decision = decide(state_from(raw), GROUPS[:4], (), AutoscalingPolicy(), Memory(), 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decision.answers
    assert peak < 60 << 20


def gangs(strategy: str, ways: int, amounts: Iterable[float]) -> RayState:
    """Placement groups, all different: each may be placed in several ways, with a bundle for each amount."""
    reply = state()
    for index in range(200):
        gang = reply.cluster_resource_state.pending_gang_resource_requests.add(
            details=f"{index:x}:{strategy}|PENDING"
        )
        for way in range(ways):
            bundles = gang.bundle_selectors.add()
            for amount in amounts:
                cpus = {"CPU": amount + way + index / 1000}
                bundles.resource_requests.append(ray_pb2.ResourceRequest(resources_bundle=cpus))
    return state_from(reply.SerializeToString())


@pytest.mark.parametrize(
    "ray",
    [
        pytest.param(gangs("PACK", 16, [1000.0]), id="in many ways that do not fit"),
        pytest.param(gangs("STRICT_SPREAD", 1, [1.0, 2.0, 3.0, 4.0, 1000.0]), id="with a part that fits"),
        pytest.param(gangs("STRICT_PACK", 4, [300.0] * 5), id="on one node that does not exist"),
    ],
)
def test_the_work_of_a_decision_is_bounded_by_its_steps(
    ray: RayState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call takes about as long as a step; looking at a hundred groups that do not fit counts too."""
    steps, calls = 200_000, 0

    def count(_frame: object, event: str, _what: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    spent = []
    for most in (-1, steps):
        monkeypatch.setattr("rayfleet.autoscaling.effort.MOST_STEPS", most)
        calls = 0
        sys.setprofile(count)
        try:
            decided(ray)
        finally:
            sys.setprofile(before)
        spent.append(calls)
    assert spent[1] - spent[0] < steps


def test_the_hold_of_a_group_is_created_once_however_many_entries_wait_for_it() -> None:
    """A ceiling holds each of a hundred groups, for each of thousands of entries."""
    ray = gangs("PACK", 1, [1.0, 2.0])
    nothing = AutoscalingPolicy(ceilings=(GpuHeadroom("0 GPUs in namespace ml", 0),))
    all_with_gpus = [replace(group, resources=resources(CPU=64, GPU=1)) for group in GROUPS]
    decision = decide(ray, all_with_gpus, (), nothing, Memory(), 0.0)
    holds = [hold for one in decision.answers for hold in one.holds]
    assert len(holds) > 100 * len(GROUPS)
    assert len({id(hold) for hold in holds}) <= 2 * len(GROUPS)


def test_a_summary_of_thousands_of_waiting_entries_is_cheap() -> None:
    """Each waits for a hundred groups; three are named, and the rest counted."""
    holds = tuple(
        DemandHold(HoldKind.CEILING, f"g{n:02}: a ceiling of its namespace, in words") for n in range(100)
    )
    shapes = [Shape((("CPU", float(n)),)) for n in range(1, 2_001)]
    answers = [DemandAnswer(DemandKind.TASKS, shape, 1, (), holds) for shape in shapes * 2]
    tracemalloc.start()
    summary = summary_of((), answers, known=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert summary.endswith(" And 1997 more.")
    assert peak < 2 << 20
