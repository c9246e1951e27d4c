"""Explanations of a cluster `demo` with one group of GPU workers, for tests on values."""

from typing import Any

from rayfleet.cli.explanation_text import explanation_text
from rayfleet.explain.explanation import Explanation, explanation_of
from rayfleet.explain.sources import Queue, Sources
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import RayNode, RayState
from support.builders import NOW, cluster, group, head, parsed, spec, template, worker
from support.demand_cases import node, resources, state

GPU = group("gpu", 0, template=template(cpu="4", gpu="1"), maxReplicas=3)
SPEC = spec(GPU, enableInTreeAutoscaling=True)


def recorded(desired: int, **fields: Any) -> dict[str, Any]:
    """A status in which the group should have so many pods."""
    return {"workerGroups": [{"groupName": "gpu", "desired": desired, "observedReplicas": 0}]} | fields


def explained(
    ray: RayState | None,
    *pods: Pod,
    status: dict[str, Any] | None = None,
    manifest: dict[str, Any] = SPEC,
    trouble: str = "",
    **fields: Any,
) -> Explanation:
    of = cluster(manifest, status=status if status is not None else recorded(0))
    given: dict[str, Any] = {"events": ()} | fields
    queue = Queue(ray, trouble)
    return explanation_of(Sources(of, parsed(manifest), (head(of), *pods), queue=queue, now=NOW, **given))


def gpu_worker(index: int, **changes: Any) -> Pod:
    return worker(cluster(SPEC), index, **changes)


def gpu_node(pod: Pod, **fields: Any) -> RayNode:
    return node(pod.name, "gpu", resources(CPU=4, GPU=1), **fields)


def ray(*demands: Any, nodes: tuple[RayNode, ...] = (), **fields: Any) -> RayState:
    own = cluster(SPEC)
    return state(*demands, nodes=(node(head(own).name, "headgroup", ()), *nodes), **fields)


def words(of: Explanation) -> str:
    """The text, as one line."""
    return " ".join(explanation_text(of).split())
