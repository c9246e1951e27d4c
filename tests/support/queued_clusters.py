"""Clusters that follow a queue, as values: what their heads say, and what is planned for them."""

from collections.abc import Iterable, Sequence
from typing import Any

from rayfleet.kinds.raycluster.plan import CreatePod, Plan
from rayfleet.kinds.raycluster.scaling_view import ScalingView, Sizing
from rayfleet.kinds.raycluster.sources.ray_memory import RayMemory
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.polling import Observation
from rayfleet.ray.state import Demand, NodeStatus, RayNode, RayState, RayView, Resources, Shape
from support.builders import NOW, cluster, group, spec

GPU: Resources = (("CPU", 1.0), ("GPU", 1.0))
GPU_TASK = Shape((("GPU", 1.0),))


def scaled(**fields: Any) -> Root:
    """A cluster whose one group of GPU workers follows the queue."""
    start = {"num-cpus": "1", "num-gpus": "1"}
    groups = group(**{"replicas": 0, "maxReplicas": 3, "rayStartParams": start} | fields.pop("group", {}))
    return cluster(spec(groups, enableInTreeAutoscaling=True, **fields))


def node(pod: Pod, status: NodeStatus = NodeStatus.RUNNING, *, idle: float = 0.0) -> RayNode:
    """The Ray node of a pod."""
    is_head = pod.node_type == "head"
    total = () if is_head else GPU
    free = total if status is NodeStatus.IDLE else ()
    ray_group = "headgroup" if is_head else pod.group
    node_id = pod.name.encode().ljust(28, b"-")[:28]
    return RayNode(node_id, pod.name, ray_group, status, total, free, (), idle, "10.0.0.1", ())


def view(nodes: Iterable[RayNode], *demands: Demand, **fields: Any) -> ScalingView:
    """What the head says now."""
    state = RayState("session", 7, tuple(nodes), demands, (), ())
    given: dict[str, Any] = {"ray": RayView(state, NOW), "acted_on": {"gpu": Sizing(0, 0)}}
    return ScalingView(**given | fields)


def creates(decided: Plan) -> list[CreatePod]:
    return [action for action in decided.actions if isinstance(action, CreatePod)]


def heard(memory: RayMemory, answer: Observation | None, pods: Sequence[Pod], now: float) -> RayView:
    """The view after an answer was taken in."""
    memory.learn(answer, pods, now)
    return memory.view(answer, pods, now)
