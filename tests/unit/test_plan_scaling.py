"""The effect of the queue's decision on a cluster's pods and spec."""

from msgspec.structs import replace

from rayfleet.api.names import Label
from rayfleet.autoscaling.limits import CostCeilings, ScalingLimits
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.kinds.raycluster.plan import Cause, DrainNode, ResizeGroups, plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Demand, NodeStatus, RayView
from support.builders import NOW, head, snapshot, worker
from support.queued_clusters import GPU_TASK, creates, node, scaled, view


def test_waiting_tasks_make_workers_up_to_the_max_and_the_rest_is_reported() -> None:
    """Five tasks, three workers at most."""
    of = scaled()
    seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 5)))
    decided = plan(seen)
    assert [create.reason for create in creates(decided)] == ["3 more replicas, as work waits for them"] * 3
    assert decided.decision is not None
    assert "max of 3" in decided.decision.summary


def test_an_idle_worker_is_drained_before_its_pod_goes() -> None:
    """The pod goes only once Ray reports its node as dead."""
    of = scaled()
    pods = [head(of), worker(of, 1)]
    idle = [node(pods[0]), node(pods[1], NodeStatus.IDLE, idle=61.0)]
    around = {"acted_on": {"gpu": Sizing(1, 0)}}
    decided = plan(snapshot(of, pods, scaling=view(idle, **around)))
    assert [type(action) for action in decided.actions] == [DrainNode]
    asked = decided.drains[0].node_id
    drained = RayView(view(idle).ray.state, NOW, drained=frozenset({asked}), unheard_until=NOW + 10)
    around = {"acted_on": {"gpu": Sizing(0, 0)}}
    waiting = plan(snapshot(of, pods, scaling=view(idle, **around | {"ray": drained})))
    assert not waiting.actions
    assert waiting.requeue_after == 10.0, "Ray may not have received the request: it is sent again"
    dead = view([idle[0], replace(idle[1], status=NodeStatus.DEAD)]).ray.state
    gone = plan(snapshot(of, pods, scaling=view(idle, **around | {"ray": replace(drained, state=dead)})))
    assert [delete.cause for delete in gone.deletes] == [Cause.IDLE]


def test_a_drain_that_ray_refuses_is_not_repeated_at_once() -> None:
    """The node is busy, and the next answers will show it."""
    of = scaled()
    pods = [head(of), worker(of, 1)]
    idle = [node(pods[0]), node(pods[1], NodeStatus.IDLE, idle=61.0)]
    ray = RayView(view(idle).ray.state, NOW, kept={idle[1].node_id: NOW + 2})
    seen = snapshot(of, pods, scaling=view(idle, ray=ray, acted_on={"gpu": Sizing(1, 0)}))
    assert not plan(seen).actions


def test_a_busy_worker_stays_when_max_is_lowered() -> None:
    """A shrink waits until it is idle, and says so."""
    of = scaled(group={"maxReplicas": 0})
    pods = [head(of), worker(of, 1)]
    decided = plan(snapshot(of, pods, scaling=view(map(node, pods), acted_on={"gpu": Sizing(1, 0)})))
    assert not decided.actions
    assert decided.decision is not None
    assert "busy" in decided.decision.group("gpu").reason


def test_nothing_shrinks_while_the_queue_is_not_known() -> None:
    """Unknown is not zero, even if the last answer had only idle nodes."""
    of = scaled()
    pods = [head(of), worker(of, 1)]
    idle = [node(pods[0]), node(pods[1], NodeStatus.IDLE, idle=1000.0)]
    ray = RayView(view(idle).ray.state, NOW, trouble="the head does not answer", since=NOW - 60)
    decided = plan(snapshot(of, pods, scaling=view(idle, ray=ray, acted_on={})))
    assert not decided.actions
    assert decided.decision is not None
    assert not decided.decision.known


def test_a_pod_whose_node_died_by_itself_has_time_to_join_again() -> None:
    """Then it is replaced, because nothing else would remove it."""
    of = scaled(group={"minReplicas": 1})
    pods = [head(of), worker(of, 1)]
    dead = node(pods[1], NodeStatus.DEAD)
    state = view([node(pods[0]), dead]).ray.state
    around = {"acted_on": {"gpu": Sizing(1, 0)}}
    soon = RayView(state, NOW, dead_since={dead.node_id: NOW - 5})
    assert not plan(snapshot(of, pods, scaling=view([], **around | {"ray": soon}))).deletes
    late = RayView(state, NOW, dead_since={dead.node_id: NOW - 31})
    decided = plan(snapshot(of, pods, scaling=view([], **around | {"ray": late})))
    assert [delete.cause for delete in decided.deletes] == [Cause.RAY_ENDED]
    assert [create.reason for create in creates(decided)] == ["1 pod fewer than wanted"]


def test_a_new_cluster_starts_with_its_replicas() -> None:
    """That holds before the first answer of its head."""
    of = scaled(group={"replicas": 2})
    assert len(creates(plan(snapshot(of, [head(of)])))) == 2


def test_a_head_that_another_operator_made_keeps_its_own_autoscaler() -> None:
    """That autoscaler writes `replicas` until there is a head of ours."""
    of = scaled(group={"replicas": 1})
    pods = [replace(head(of), head_epoch=None), worker(of, 1)]
    decided = plan(snapshot(of, pods, scaling=view(map(node, pods), Demand(GPU_TASK, 2))))
    assert decided.decision is None
    assert not decided.actions


def test_ceilings_of_cost_hold_growth_and_are_named() -> None:
    """Three GPUs are needed, and one more is allowed in total."""
    of = scaled()
    limits = ScalingLimits(ceilings=CostCeilings(gpus_total=8))
    around = {"limits": limits, "usage": GpuUsage(total=7)}
    seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 3), **around))
    decided = plan(seen)
    assert len(creates(decided)) == 1
    assert decided.decision is not None
    assert "at most 8 GPUs in total" in decided.decision.summary
    assert decided.requeue_after is not None
    uncounted = {**around, "usage": GpuUsage(complete=False)}
    early = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 3), **uncounted))
    assert not creates(plan(early))


def test_with_target_spec_the_size_is_written_before_its_pods_are_created() -> None:
    """So a quota that counts `replicas` never counts too little."""
    for of in (scaled(autoscalerOptions={"target": "Spec"}), _queued(scaled())):
        seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 2)))
        decided = plan(seen)
        assert not creates(decided)
        assert decided.resize is not None
        assert [tuple(change) for change in decided.resize.changes] == [(0, "gpu", 2)]


def test_with_target_spec_the_pods_follow_the_written_size() -> None:
    """Nothing is written again."""
    of = scaled(group={"replicas": 2}, autoscalerOptions={"target": "Spec"})
    around = {"acted_on": {"gpu": Sizing(2, 2)}}
    decided = plan(snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 2), **around)))
    assert len(creates(decided)) == 2
    assert not any(isinstance(action, ResizeGroups) for action in decided.actions)


def _queued(of: Root) -> Root:
    return replace(of, labels={Label.KUEUE_QUEUE: "team-a"})


def test_only_the_node_of_the_head_pod_counts_as_a_head() -> None:
    """Invented heads would take work that needs workers."""
    of = scaled()
    own = replace(node(head(of)), available=())
    strangers = [
        replace(
            own,
            node_id=b"%028d" % n,
            instance_id=f"x-{n}",
            total=(("CPU", 8.0), ("GPU", 8.0)),
            available=(("CPU", 8.0), ("GPU", 8.0)),
        )
        for n in range(3)
    ]
    asks = Demand(GPU_TASK, 2)
    alone, among = (
        plan(snapshot(of, [head(of)], scaling=view(nodes, asks))) for nodes in ([own], [own, *strangers])
    )
    assert len(creates(alone)) == 2
    assert creates(among) == creates(alone)
    worker_too = replace(strangers[0], instance_id=worker(of, 1).name)
    pods = [head(of), worker(of, 1)]
    counts = [
        len(creates(plan(snapshot(of, pods, scaling=view([own, one], Demand(GPU_TASK, 9))))))
        for one in (worker_too, replace(worker_too, group="gpu"))
    ]
    assert counts[0] == counts[1]
