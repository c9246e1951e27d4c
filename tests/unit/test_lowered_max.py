"""A lowered maximum: pods that have not joined go at once, busy ones stay until they are idle."""

from typing import Any

from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import Cause, Plan, plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Demand, NodeStatus, RayView
from support.builders import NOW, cluster, group, head, snapshot, spec, template, worker
from support.queued_clusters import GPU_TASK, creates, node, scaled, view

WORKING = NodeStatus.RUNNING


def pending(of: Root, index: int, reason: str = "Unschedulable", **fields: Any) -> Pod:
    """A worker that has not started."""
    state: dict[str, Any] = {"phase": "Pending", "ready": False, "unready_reason": reason, "node_name": ""}
    return worker(of, index, **state | {"created": NOW - 100 + index} | fields)


def decided(of: Root, pods: list[Pod], joined: list[Pod], *, tasks: int = 3, **ray: Any) -> Plan:
    """The plan while so many tasks wait and three replicas were desired."""
    nodes = [node(head(of)), *(node(pod, WORKING) for pod in joined)]
    seen = replace(view(nodes, Demand(GPU_TASK, tasks)).ray, session_since=NOW - 7200, **ray)
    around = {"ray": seen, "acted_on": {"gpu": Sizing(3, 0)}}
    return plan(snapshot(of, [head(of), *pods], scaling=view([], **around), headless=True))


def gone(of: Plan) -> list[str]:
    assert {delete.cause for delete in of.deletes} <= {Cause.NOT_NEEDED, Cause.REQUESTED}
    return sorted(delete.name[-1] for delete in of.deletes)


def wanted(of: Plan) -> int:
    assert of.decision is not None
    return of.decision.group("gpu").wanted


def test_pods_that_have_not_joined_go_at_once_while_their_tasks_wait() -> None:
    """Three wait for room, and one or none may stay. The newest go, with a reason."""
    for most, left in ((1, ["2", "3"]), (0, ["1", "2", "3"])):
        of = scaled(group={"maxReplicas": most})
        after = decided(of, [pending(of, n) for n in (1, 2, 3)], [])
        assert gone(after) == left
        assert not creates(after)
        assert wanted(after) == most
        assert after.decision is not None
        assert f"above its max of {most}" in after.decision.group("gpu").reason
        assert f"at its max of {most}" in after.decision.summary


def test_busy_workers_stay_and_are_not_replaced() -> None:
    """No pod replaces one that ends."""
    of = scaled(group={"maxReplicas": 1})
    pods = [worker(of, 1), worker(of, 2), pending(of, 3)]
    after = decided(of, pods, pods[:2])
    assert (gone(after), wanted(after)) == (["3"], 1)
    assert after.decision is not None
    assert "busy replicas go when they are idle" in after.decision.group("gpu").reason


def test_pods_that_hang_go_before_those_that_start() -> None:
    of = scaled(group={"maxReplicas": 1})
    pods = [pending(of, 1), pending(of, 2, "ContainerCreating"), pending(of, 3, "ContainerCreating")]
    assert gone(decided(of, pods, [])) == ["1", "3"]


def test_a_pod_that_has_just_started_may_have_joined_since_the_last_answer() -> None:
    """It goes a few seconds later, unless it is a node by then."""
    of = scaled(group={"maxReplicas": 0})
    for since, goes in ((NOW - 9, []), (NOW - 10, ["1"])):
        after = decided(of, [worker(of, 1, readiness_since=since)], [])
        assert gone(after) == goes
        assert goes or after.requeue_after == 1.0


def test_without_an_answer_of_ray_only_pods_that_never_ran_go() -> None:
    """Nothing else shrinks while the queue is not known."""
    of = scaled(group={"maxReplicas": 0})
    after = decided(of, [worker(of, 1), pending(of, 2)], [], trouble="the head does not answer")
    assert gone(after) == ["2"]
    asked = snapshot(of, [head(of), pending(of, 1)], scaling=view([], ray=RayView(trouble="no answer yet")))
    assert gone(plan(asked)) == ["1"]


def test_a_pod_in_workers_to_delete_counts_as_one_that_goes() -> None:
    """Otherwise one more than the maximum asks for would go, and be recreated."""
    of = scaled(group={"maxReplicas": 2, "scaleStrategy": {"workersToDelete": [worker(scaled(), 1).name]}})
    assert gone(decided(of, [pending(of, n) for n in (1, 2, 3)], [])) == ["1"]


def test_a_replica_of_several_hosts_goes_whole() -> None:
    of = scaled(group={"maxReplicas": 1, "numOfHosts": 2})
    pods = [pending(of, n, host=Host(f"r{(n - 1) // 2}", (n - 1) // 2, (n - 1) % 2)) for n in (1, 2, 3, 4)]
    after = decided(of, pods, [])
    assert (gone(after), wanted(after)) == (["3", "4"], 1)
    one_joined = decided(
        of, [replace(pods[0]), pods[1], worker(of, 3, host=pods[2].host), pods[3]], [worker(of, 3)]
    )
    assert gone(one_joined) == ["1", "2"]


def test_a_replica_that_has_joined_in_part_is_drained_when_it_is_idle() -> None:
    """Otherwise it would stay above the maximum; its other host goes with the one that is drained."""
    of = scaled(group={"maxReplicas": 0, "numOfHosts": 2})
    pods = [head(of), worker(of, 1, host=Host("r0", 0, 0)), pending(of, 2, host=Host("r0", 0, 1))]
    busy = [node(pods[0]), node(pods[1], WORKING)]
    around = {"acted_on": {"gpu": Sizing(1, 0)}}
    assert not plan(snapshot(of, pods, scaling=view(busy, **around), headless=True)).actions
    idle = [busy[0], node(pods[1], NodeStatus.IDLE)]
    asked = plan(snapshot(of, pods, scaling=view(idle, **around), headless=True))
    assert [drain.pod for drain in asked.drains] == [pods[1].name]
    assert not asked.deletes
    dead = [busy[0], node(pods[1], NodeStatus.DEAD)]
    ray = replace(view(dead).ray, drained=frozenset({dead[1].node_id}))
    after = plan(
        snapshot(of, pods, scaling=view(dead, ray=ray, acted_on={"gpu": Sizing(0, 0)}), headless=True)
    )
    assert sorted(delete.name for delete in after.deletes) == [pods[1].name, pods[2].name]


def test_a_lowered_replicas_removes_unneeded_pods_that_have_not_joined_at_once() -> None:
    """They go before idle ones; a waiting task keeps its pod."""
    of = scaled(group={"replicas": 1})
    pods = [head(of), worker(of, 1), pending(of, 2), pending(of, 3, "ContainerCreating")]
    for tasks, left in ((0, 2), (1, 1)):
        seen = view([node(pods[0]), node(pods[1], WORKING)], *([Demand(GPU_TASK, tasks)] if tasks else []))
        lowered = {"ray": replace(seen.ray, session_since=NOW - 7200), "acted_on": {"gpu": Sizing(3, 3)}}
        after = plan(snapshot(of, pods, scaling=view([], **lowered)))
        assert len(gone(after)) == left


def test_groups_that_do_not_scale_shrink_at_once_to_their_size() -> None:
    """`maxReplicas`, `minReplicas` or `replicas` sets it; pods that have not started go first."""
    sizes: list[dict[str, Any]] = [
        {"replicas": 3, "maxReplicas": 1},
        {"replicas": 0, "minReplicas": 1},
        {"replicas": 1},
    ]
    for fields in sizes:
        of = cluster(spec(group("gpu", **{"template": template(gpu="1")} | fields)))
        after = plan(snapshot(of, [head(of), worker(of, 1), pending(of, 2), pending(of, 3)]))
        assert sorted(delete.name[-1] for delete in after.deletes) == ["2", "3"]
        assert not creates(after)
