"""Scaling down: idle nodes, whole replicas, what is kept, and when to look again."""

import pytest
from msgspec.structs import replace

from rayfleet.api.raycluster import Behavior, Fallback
from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Blocked,
    BlockedReason,
    Decision,
    Memory,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.autoscaling.inputs import Recommendation
from rayfleet.ray.state import Gang, NodeStatus, RayNode, RayState, Strategy
from support.demand_cases import busy, idle, node, pods, resources, state, tasks

NOW = 10_000.0
CPU = WorkerGroup("cpu", resources(CPU=8), max_replicas=10)
POLICY = AutoscalingPolicy()


def decided(
    ray: RayState | None, *groups: WorkerGroup, workers: tuple[Worker, ...] = (), memory: Memory | None = None
) -> Decision:
    return decide(ray, groups, workers, POLICY, memory or Memory(), now=NOW)


def drained(decision: Decision) -> list[str]:
    return [one.instance_id for drain in decision.drains for one in drain.nodes]


def of_idle_nodes(*seconds: float, **changes: object) -> Decision:
    """Idle nodes c0, c1, ... of one group."""
    group = replace(CPU, desired=len(seconds), **changes)
    nodes = [idle(f"c{i}", group, age) for i, age in enumerate(seconds)]
    return decided(state(nodes=nodes), group, workers=pods(*nodes))


def test_a_node_goes_when_it_is_idle_for_its_timeout() -> None:
    """It does not go earlier."""
    decision = of_idle_nodes(60, 59)
    assert (drained(decision), decision.group("cpu").wanted) == (["c0"], 1)
    assert decision.drains[0].message == "idle for its timeout of 60 s"


def test_the_decision_says_when_the_next_node_is_due() -> None:
    """The time is exact, so the loop need not look more often."""
    assert of_idle_nodes(10, 42.5).next_look == 17.5
    assert of_idle_nodes(60).next_look is None


def test_each_group_has_its_own_timeout() -> None:
    """The group sets it."""
    assert drained(of_idle_nodes(61, idle_timeout_seconds=300)) == []
    assert drained(of_idle_nodes(61, idle_timeout_seconds=10)) == ["c0"]


def test_the_longest_idle_go_first_and_min_stays() -> None:
    """The min is two of four."""
    decision = of_idle_nodes(70, 90, 80, 100, min_replicas=2)
    assert (drained(decision), decision.group("cpu").wanted) == (["c3", "c1"], 2)


def test_a_group_at_its_min_needs_no_wake_up() -> None:
    """Its nodes may stay idle."""
    assert of_idle_nodes(10, 20, min_replicas=2).next_look is None


def test_the_size_that_metrics_ask_for_is_kept_like_a_min() -> None:
    """The larger of the two counts."""
    assert drained(of_idle_nodes(100, 100, 100, metric_replicas=2, min_replicas=1)) == ["c0"]


def test_a_busy_node_stays() -> None:
    """Its idle time before does not matter."""
    nodes = [busy("c0", CPU, CPU=4), node("c1", "cpu", CPU.resources, status=NodeStatus.DRAINING)]
    assert drained(decided(state(nodes=nodes), CPU, workers=pods(*nodes))) == []


def test_a_node_that_demand_needs_stays() -> None:
    """The other node goes."""
    nodes = [idle("c0", CPU, 100), idle("c1", CPU, 200)]
    decision = decided(state(tasks(3, CPU=2), nodes=nodes), CPU, workers=pods(*nodes))
    assert drained(decision) == ["c1"]


def test_nodes_that_a_gang_needs_stay() -> None:
    """All of them stay."""
    nodes = [idle("c0", CPU, 100), idle("c1", CPU, 200)]
    gang = Gang("pg", Strategy.STRICT_SPREAD, (tasks(2, CPU=1),))
    assert drained(decided(state(nodes=nodes, gangs=[gang]), CPU, workers=pods(*nodes))) == []


def test_nodes_that_request_resources_needs_stay() -> None:
    """They stay though nothing runs on them; busy ones are counted first."""
    nodes = [busy("c0", CPU), idle("c1", CPU, 100), idle("c2", CPU, 200)]
    ray = state(nodes=nodes, constraints=[(tasks(16, CPU=1),)])
    assert drained(decided(ray, CPU, workers=pods(*nodes))) == ["c2"]


def test_the_head_is_never_drained() -> None:
    """It may be idle for any time."""
    head = node("head", "headgroup", CPU.resources, status=NodeStatus.IDLE, idle_seconds=9999)
    assert decided(state(nodes=[head]), CPU).drains == ()


def _slice(name: str, group: WorkerGroup, *ages: float) -> tuple[list[RayNode], list[Worker]]:
    nodes = [idle(f"{name}-{host}", group, age) for host, age in enumerate(ages)]
    return nodes, [Worker(one.instance_id, group.name, 0, replica=name) for one in nodes]


def test_only_whole_replicas_of_a_multi_host_group_go() -> None:
    """One host that is busy, or not long enough idle, keeps its replica."""
    group = WorkerGroup("tpu", resources(CPU=4), num_of_hosts=2, max_replicas=5)
    due, due_pods = _slice("a", group, 100, 70)
    young, young_pods = _slice("b", group, 100, 50)
    half, half_pods = _slice("c", group, 100)
    ray = state(nodes=[*due, *young, *half])
    decision = decided(ray, group, workers=(*due_pods, *young_pods, *half_pods))
    assert drained(decision) == ["a-0", "a-1"]
    assert (decision.group("tpu").wanted, decision.next_look) == (2, 10)


def test_nothing_shrinks_while_rays_state_is_unknown() -> None:
    """Unknown is not zero; min and a changed `replicas` still count."""
    group = replace(CPU, desired=3)
    workers = tuple(Worker(f"c{i}", "cpu", 0) for i in range(3))
    decision = decided(None, group, workers=workers)
    assert (decision.known, decision.group("cpu").wanted, decision.drains) == (False, 3, ())
    assert decided(None, replace(group, resized_to=5), workers=workers).group("cpu").wanted == 5
    assert decided(None, replace(group, min_replicas=4), workers=workers).group("cpu").wanted == 4


def test_a_lowered_replicas_is_remembered_without_a_view() -> None:
    """It is acted on once there is one again."""
    workers = tuple(Worker(f"c{i}", "cpu", 0) for i in range(3))
    decision = decided(None, replace(CPU, desired=3, resized_to=1), workers=workers)
    assert (decision.group("cpu").wanted, decision.memory.shrink_to) == (3, {"cpu": 1})
    assert decided(None, CPU, workers=workers, memory=decision.memory).memory.shrink_to == {"cpu": 1}


def test_without_a_view_a_group_keeps_its_size() -> None:
    """A pod that was lost is created again."""
    workers = (Worker("c0", "cpu", 0),)
    assert decided(None, replace(CPU, desired=3), workers=workers).group("cpu").wanted == 3
    assert decided(None, replace(CPU, desired=0), workers=workers).group("cpu").wanted == 1


def test_a_lowered_replicas_takes_idle_nodes_at_once_and_busy_ones_later() -> None:
    """The reason says what it waits for, and it is remembered."""
    nodes = [busy("c0", CPU), busy("c1", CPU), idle("c2", CPU, 5)]
    group = replace(CPU, desired=3, resized_to=1)
    decision = decided(state(nodes=nodes), group, workers=pods(*nodes))
    assert (drained(decision), decision.group("cpu").wanted) == (["c2"], 2)
    assert "replicas was lowered to 1: the others go when they are idle" in decision.group("cpu").reason
    nodes = [busy("c0", CPU), idle("c1", CPU, 1)]
    later = decided(state(nodes=nodes), replace(CPU, desired=2), workers=pods(*nodes), memory=decision.memory)
    assert (drained(later), later.memory.shrink_to) == (["c1"], {})


def test_nodes_above_a_lowered_max_go_as_soon_as_they_are_idle() -> None:
    """They go even if they are needed."""
    nodes = [busy("c0", CPU), idle("c1", CPU, 1), busy("c2", CPU)]
    group = replace(CPU, desired=3, max_replicas=1)
    decision = decided(state(tasks(1, CPU=8), nodes=nodes), group, workers=pods(*nodes))
    assert (drained(decision), decision.group("cpu").wanted) == (["c1"], 1)


def _stuck(name: str, since: float, *, group: str = "cpu") -> Worker:
    blocked = Blocked(BlockedReason.UNSCHEDULABLE, "0/3 nodes are available", since)
    return Worker(name, group, since, blocked=blocked)


def test_a_blocked_pod_that_nothing_needs_is_deleted_after_the_timeout() -> None:
    """It costs nothing until then, and its demand may return."""
    group, workers = replace(CPU, desired=1), (_stuck("c0", NOW - 30),)
    first = decided(state(), group, workers=workers)
    assert (first.cancels, first.next_look) == ((), 60)
    then = decide(state(), [group], workers, POLICY, first.memory, NOW + 60)
    assert [cancel.pods for cancel in then.cancels] == [("c0",)]
    assert then.group("cpu").wanted == 0


def test_a_starting_pod_is_not_deleted() -> None:
    """Its node may take longer than the timeout; idle time counts once it has joined."""
    group, workers = replace(CPU, desired=1), (Worker("c0", "cpu", NOW - 500),)
    first = decided(state(), group, workers=workers)
    then = decide(state(), [group], workers, POLICY, first.memory, NOW + 600)
    assert (then.cancels, then.group("cpu").wanted) == ((), 1)


def test_a_blocked_pod_is_kept_while_its_fallback_does_the_work() -> None:
    """It shows once there is room again."""
    first = replace(CPU, name="first", desired=2, fallback=Fallback(groups=("second",)))
    second = replace(CPU, name="second", desired=1)
    there = busy("s0", second)
    workers = (_stuck("f0", NOW - 500, group="first"), _stuck("f1", NOW - 400, group="first"), *pods(there))
    memory = Memory(unneeded_since={"first": (NOW - 100, NOW - 100)})
    decision = decided(state(nodes=[there]), first, second, workers=workers, memory=memory)
    assert [cancel.pods for cancel in decision.cancels] == [("f1",)]


@pytest.mark.parametrize(("began", "gone"), [(None, []), (NOW - 299, []), (NOW - 300, ["c0"])])
def test_nothing_shrinks_before_one_stabilization_window(began: float | None, gone: list[str]) -> None:
    """A process without earlier recommendations waits for a whole window."""
    policy = AutoscalingPolicy(
        behavior=Behavior.model_validate({"scaleDown": {"stabilizationWindowSeconds": 300}})
    )
    node_ = idle("c0", CPU, 100)
    memory = Memory(began=began, recommendations={"cpu": (Recommendation(began, 0),)} if began else {})
    decision = decide(state(nodes=[node_]), [CPU], pods(node_), policy, memory, NOW)
    assert drained(decision) == gone
