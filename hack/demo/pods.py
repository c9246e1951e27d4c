"""The Ray pods of a cluster, as the demo sees them."""

from dataclasses import dataclass
from typing import Any, Self

from demo.kubectl import Kubectl
from rayfleet.kube.objects.pods import ray_container_of

_COLUMNS = 5
"""The columns of `kubectl get pods`: name, ready, status, restarts, age."""


@dataclass(frozen=True)
class RayPod:
    """A head or worker pod; `container_id` is that of its Ray container, once it has started."""

    name: str
    uid: str
    node_type: str
    node: str
    ready: bool
    leaving: bool
    """It is being deleted."""
    container_id: str

    @classmethod
    def of(cls, pod: dict[str, Any]) -> Self:
        metadata, status = pod["metadata"], pod.get("status", {})
        ray = ray_container_of(pod["spec"])["name"]
        started = [c for c in status.get("containerStatuses", []) if c["name"] == ray]
        leaving = "deletionTimestamp" in metadata
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            node_type=metadata["labels"].get("ray.io/node-type", ""),
            node=pod["spec"].get("nodeName", ""),
            ready=not leaving
            and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])),
            leaving=leaving,
            container_id=started[0].get("containerID", "").rpartition("/")[2] if started else "",
        )


def ray_pods(kubectl: Kubectl, cluster: str) -> list[RayPod]:
    """The head first, then the workers by name."""
    found = [RayPod.of(pod) for pod in kubectl.items("pods", f"--selector=ray.io/cluster={cluster}")]
    return sorted(found, key=lambda pod: (pod.node_type != "head", pod.name))


def workers(kubectl: Kubectl, cluster: str) -> list[RayPod]:
    """The workers that are not being deleted, by name."""
    return [pod for pod in ray_pods(kubectl, cluster) if pod.node_type == "worker" and not pod.leaving]


def gpus(kubectl: Kubectl) -> dict[str, int]:
    """How many GPUs each node offers."""
    return {
        node["metadata"]["name"]: int(node["status"].get("allocatable", {}).get("nvidia.com/gpu", "0"))
        for node in kubectl.items("nodes")
    }


def where_pods_are(kubectl: Kubectl, cluster: str) -> str:
    """The state of each pod of the cluster, in words that change with every step."""
    listed = kubectl.attempt("get", "pods", f"--selector=ray.io/cluster={cluster}", "--no-headers")
    return without_ages(listed) or "there are no pods"


def without_ages(listed: str) -> str:
    """The lines of `kubectl get pods` as one sentence: name, readiness, state and restarts."""
    rows = [line.split() for line in listed.splitlines()]
    states = [f"{row[0]} is {row[2]}, {row[1]} ready" for row in rows if len(row) >= _COLUMNS]
    return "; ".join(states) if len(states) == len(rows) else listed.strip()
