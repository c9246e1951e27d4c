"""Properties of every decision, on random clusters."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Decision,
    GpuHeadroom,
    Memory,
    Tier,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.autoscaling.demand.needs import SCALE
from rayfleet.ray.state import NodeStatus, Resources
from support.demand_cases import Case, draw, resources, state, tasks

T = TypeVar("T")
NOW = 1000.0
cases = st.integers(0, 1_000_000).map(draw)
few = settings(max_examples=40, deadline=None)


def decided(case: Case, policy: AutoscalingPolicy | None = None, memory: Memory | None = None) -> Decision:
    return decide(case.ray, case.groups, case.workers, policy or AutoscalingPolicy(), memory or Memory(), NOW)


def with_idle_nodes(case: Case, random: Random) -> Case:
    """The case with random idle times for all free nodes."""
    nodes = tuple(
        replace(node, status=NodeStatus.IDLE, idle_seconds=random.choice([5.0, 100.0]))
        if node.available == node.total
        else node
        for node in case.ray.nodes
    )
    return dataclasses.replace(case, ray=replace(case.ray, nodes=nodes))


@few
@given(cases, st.integers(0, 20))
def test_no_decision_is_above_max_or_a_ceiling_or_below_min(case: Case, gpus: int) -> None:
    """The exception is that a ceiling of cost goes before min."""
    free = decided(case)
    for group in case.groups:
        wanted = free.group(group.name).wanted
        assert group.min_replicas <= wanted <= group.max_replicas
    limited = decided(case, AutoscalingPolicy(ceilings=(GpuHeadroom("GPUs", gpus),)))
    before = Counter(worker.group for worker in case.workers)
    new = sum(
        (limited.group(group.name).wanted - before[group.name]) * dict(group.resources).get("GPU", 0)
        for group in case.groups
    )
    assert new <= gpus


@few
@given(cases)
def test_a_gang_is_placed_whole_or_not_at_all(case: Case) -> None:
    """All of its bundles are placed, or none."""
    placed: dict[str, set[bool]] = {}
    for answer in decided(case).answers:
        if answer.gang:
            placed.setdefault(answer.gang, set()).add(answer.unserved == 0)
            assert answer.unserved in {0, answer.count}
    assert all(len(whole) == 1 for whole in placed.values())


@few
@given(cases)
def test_unserved_demand_has_a_reason(case: Case) -> None:
    """The reason has a message."""
    for answer in decided(case).answers:
        assert bool(answer.unserved) <= bool(answer.holds)


def _total(of: Iterable[Resources]) -> Counter[str]:
    sums = Counter[str]()
    for one in of:
        for name, amount in one:
            sums[name] += round(amount * SCALE)
    return sums


@few
@given(cases)
def test_no_group_is_given_more_than_its_nodes_hold(case: Case) -> None:
    """This counts everything that is placed on new nodes."""
    decision = decided(case)
    for group in case.groups:
        used = _total(
            answer.shape.resources
            for answer in decision.answers
            if answer.kind != "request_resources"
            for placed in answer.placed
            if (placed.group, placed.tier) == (group.name, Tier.NEW)
            for _ in range(placed.number)
        )
        present = sum(worker.group == group.name for worker in case.workers)
        launched = decision.group(group.name).wanted - present
        there = _total([group.resources] * launched)
        assert all(used[name] <= there[name] for name in used)


@few
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_the_inputs_does_not_matter(case: Case, random: Random) -> None:
    """Lists come from maps of Ray and from our caches."""
    ray = case.ray
    shuffled = Case(
        case.seed,
        _shuffled(case.groups, random),
        _shuffled(case.workers, random),
        replace(
            ray,
            nodes=_shuffled(ray.nodes, random),
            demands=_shuffled(ray.demands, random),
            gangs=tuple(
                gang._replace(bundles=_shuffled(gang.bundles, random))
                for gang in _shuffled(ray.gangs, random)
            ),
            constraints=_shuffled(ray.constraints, random),
        ),
    )
    assert decided(shuffled) == decided(case)


def _shuffled(items: tuple[T, ...], random: Random) -> tuple[T, ...]:
    return tuple(random.sample(items, len(items)))


@few
@given(cases, st.randoms(use_true_random=False))
def test_without_the_idle_nodes_that_go_everything_placed_still_fits(case: Case, random: Random) -> None:
    """No demand is served less without them."""
    case = with_idle_nodes(case, random)
    before = decided(case)
    gone = {one.instance_id for drain in before.drains for one in drain.nodes}
    after = decided(_without(case, gone))
    assert [a.unserved for a in after.answers] == [a.unserved for a in before.answers]


def _without(case: Case, gone: set[str]) -> Case:
    nodes = tuple(node for node in case.ray.nodes if node.instance_id not in gone)
    workers = tuple(worker for worker in case.workers if worker.name not in gone)
    return dataclasses.replace(case, ray=replace(case.ray, nodes=nodes), workers=workers)


def _carried_out(case: Case, decision: Decision) -> Case:
    """The case after a decision: drained nodes are gone, and all desired pods are on their way."""
    case = _without(case, {one.instance_id for drain in decision.drains for one in drain.nodes})
    workers = list(case.workers)
    for group in decision.groups:
        workers += [Worker(f"{group.name}-new-{i}", group.name, NOW) for i in range(group.launches)]
    groups = tuple(replace(one, desired=decision.group(one.name).wanted) for one in case.groups)
    return dataclasses.replace(case, groups=groups, workers=tuple(workers))


def sizes(decision: Decision) -> dict[str, int]:
    return {group.name: group.wanted for group in decision.groups}


@few
@given(cases)
def test_at_rest_the_decision_is_stable(case: Case) -> None:
    """Once it is carried out, the next one asks for the same and starts nothing."""
    decision = decided(case)
    for _ in range(3):
        case = _carried_out(case, decision)
        following = decided(case, memory=decision.memory)
        assert sizes(following) == sizes(decision)
        decision = following


@few
@given(cases, st.randoms(use_true_random=False))
def test_scaling_down_comes_to_an_end(case: Case, random: Random) -> None:
    """New nodes may make an idle one superfluous; a node that goes is never started again."""
    case = with_idle_nodes(case, random)
    decision = decided(case)
    for _ in range(6):
        case = _carried_out(case, decision)
        following = decided(case, memory=decision.memory)
        assert all(size <= sizes(decision)[name] for name, size in sizes(following).items())
        decision = following
    assert not decision.drains


@few
@given(cases, st.integers(1, 30), st.integers(0, 7))
def test_more_of_the_same_demand_never_makes_the_cluster_smaller(case: Case, more: int, which: int) -> None:
    """This holds for any resource, with one group to choose."""
    if not case.ray.demands:
        return
    group = case.groups[0]
    case = dataclasses.replace(
        case, groups=(group,), workers=tuple(worker for worker in case.workers if worker.group == group.name)
    )
    index = which % len(case.ray.demands)
    grown = list(case.ray.demands)
    grown[index] = replace(grown[index], count=grown[index].count + more)
    larger = dataclasses.replace(case, ray=replace(case.ray, demands=tuple(grown)))
    assert decided(larger).group(group.name).wanted >= decided(case).group(group.name).wanted


@few
@given(st.integers(0, 60), st.integers(1, 30), st.sampled_from([0.25, 0.5, 1, 2]))
def test_more_tasks_of_one_shape_never_get_fewer_gpus(count: int, more: int, gpus: float) -> None:
    """This holds for any spread over groups."""
    groups = [
        WorkerGroup("small", resources(CPU=4, GPU=1), max_replicas=10),
        WorkerGroup("middle", resources(CPU=16, GPU=4), max_replicas=10),
        WorkerGroup("big", resources(CPU=64, GPU=8), max_replicas=10),
    ]

    def total(number: int) -> float:
        decision = decide(
            state(tasks(number, CPU=1, GPU=gpus)), groups, (), AutoscalingPolicy(), Memory(), NOW
        )
        return sum(decision.group(one.name).wanted * dict(one.resources)["GPU"] for one in groups)

    assert total(count) <= total(count + more)


def test_equal_inputs_give_equal_decisions() -> None:
    """Nothing depends on a clock or on chance."""
    assert [decided(draw(seed)) for seed in range(20)] == [decided(draw(seed)) for seed in range(20)]
