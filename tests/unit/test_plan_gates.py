"""A group with a scale gate does not grow, at once, and the messages name it."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.raycluster import Fallback
from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Blocked,
    BlockedReason,
    HoldKind,
    Memory,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.kinds.raycluster.plan import Cause, plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.ray.state import Demand
from support.builders import cluster, group, head, replica, snapshot, spec, worker
from support.demand_cases import resources, state, tasks
from support.queued_clusters import GPU_TASK, creates, node, scaled, view

GATE = "kueue.k8s.io/quota-exceeded"
WORDS = f"it does not grow: gated by {GATE} (scaleStrategy.scaleGate)"


def gated(*names: str) -> dict[str, Any]:
    return {"scaleGate": [{"name": name} for name in names or (GATE,)]}


def test_a_gated_group_of_fixed_size_keeps_its_pods_and_gets_no_more() -> None:
    """Others grow; once the gate is gone it does, too."""
    groups = group("gpu", 4, scaleStrategy=gated()), group("cpu", 1)
    of = cluster(spec(*groups))
    pods = [head(of), worker(of, 1), worker(of, 2)]
    decided = plan(snapshot(of, pods))
    assert [create.group for create in creates(decided)] == ["cpu"]
    assert not decided.deletes
    assert decided.waits == (f"2 pods of gpu wait: {WORDS}",)
    opened = cluster(spec(group("gpu", 4), group("cpu", 1)))
    assert [create.group for create in creates(plan(snapshot(opened, pods)))] == ["gpu", "gpu", "cpu"]


def test_a_gated_group_shrinks_and_loses_ended_pods() -> None:
    """A gate stops only growth."""
    of = cluster(spec(group("gpu", 1, scaleStrategy=gated())))
    ended = worker(of, 3, phase="Failed")
    decided = plan(snapshot(of, [head(of), worker(of, 1), worker(of, 2), ended]))
    assert sorted(delete.cause.name for delete in decided.deletes) == [Cause.ENDED.name, Cause.SURPLUS.name]
    assert decided.waits == ()


def test_a_gated_group_of_slices_gets_no_part_of_a_slice() -> None:
    of = cluster(spec(group("tpu", 2, numOfHosts=4, scaleStrategy=gated())))
    decided = plan(snapshot(of, [head(of), *replica(of, 1)], headless=True))
    assert creates(decided) == []
    assert decided.waits == (f"4 pods of tpu wait: {WORDS.replace('gpu', 'tpu')}",)


def test_as_many_gates_are_named_as_fit() -> None:
    of = cluster(spec(group("gpu", 1, scaleStrategy=gated("a", "b.io/c", "d", "e", "f"))))
    assert "gated by a, b.io/c, d and 2 more" in plan(snapshot(of, [head(of)])).waits[0]


def test_demand_does_not_make_a_gated_group_grow_and_says_so() -> None:
    of = scaled(group={"scaleStrategy": gated()})
    seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 2)))
    decided = plan(seen)
    assert creates(decided) == []
    assert decided.decision is not None
    answer = decided.decision.answers[0]
    assert answer.holds == ((HoldKind.WITHHELD, f"gpu: {WORDS}"),)
    assert GATE in decided.decision.summary
    missing = replace(seen, scaling=replace(seen.scaling, acted_on={"gpu": Sizing(2, 0)}))
    again = plan(missing)
    assert creates(again) == []
    assert again.waits == (f"2 pods of gpu wait: {WORDS}",)
    assert again.decision is not None
    assert again.decision.group("gpu").launches == 0, "Ray does not expect them"


H100 = WorkerGroup(
    "h100",
    resources(GPU=1),
    max_replicas=9,
    fallback=Fallback(groups=("a100",), after_seconds=600),
    withheld=WORDS,
)
A100 = WorkerGroup("a100", resources(GPU=1), max_replicas=9)
OTHER = WorkerGroup("l4", resources(GPU=1), max_replicas=9)


def blocked(name: str, since: float) -> Worker:
    """A cluster as Kueue leaves it above its quota."""
    why = Blocked(BlockedReason.SCHEDULING_GATED, "kueue.x-k8s.io/admission", since)
    return Worker(name, "h100", since, blocked=why)


@pytest.mark.parametrize("pods", [(), (blocked("h100-1", 999.0), blocked("h100-2", 999.0))])
def test_a_gated_group_falls_back_at_once(pods: tuple[Worker, ...]) -> None:
    """`afterSeconds` does not count: whoever set the gate knows that its pods do not come."""
    given = replace(H100, desired=len(pods))
    decision = decide(
        state(tasks(2, GPU=1)), [given, A100, OTHER], pods, AutoscalingPolicy(), Memory(), now=1000.0
    )
    assert (decision.group("a100").wanted, decision.group("l4").wanted) == (2, 0)


def test_without_the_gate_work_waits_for_the_same_group() -> None:
    """It waits as long as its fallback says."""
    pods = (blocked("h100-1", 999.0), blocked("h100-2", 999.0))
    given = replace(H100, desired=2, withheld="")
    decision = decide(
        state(tasks(2, GPU=1)), [given, A100, OTHER], pods, AutoscalingPolicy(), Memory(), now=1000.0
    )
    assert decision.group("a100").wanted == 0


def test_running_pods_of_a_gated_group_are_used() -> None:
    """They stay, and take work."""
    of = scaled(group={"scaleStrategy": gated()})
    pods = [head(of), worker(of, 1)]
    free = replace(node(pods[1]), available=(("CPU", 1.0), ("GPU", 1.0)))
    around = {"acted_on": {"gpu": Sizing(1, 0)}}
    decided = plan(snapshot(of, pods, scaling=view([node(pods[0]), free], Demand(GPU_TASK, 1), **around)))
    assert not decided.actions
    assert decided.decision is not None
    assert decided.decision.answers[0].unserved == 0
