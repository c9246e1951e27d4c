"""Node objects, as a kubelet and the operators of a GPU cluster leave them."""

from collections.abc import Mapping
from typing import Any

SINCE = "2026-11-30T12:00:12Z"
UNIX_SINCE = 1796040012.0


def condition(kind: str, status: str = "True", **fields: Any) -> dict[str, Any]:
    """With the time at which it was last looked at."""
    times = {"lastHeartbeatTime": "2026-11-30T13:00:00Z", "lastTransitionTime": SINCE}
    return {"type": kind, "status": status, "reason": f"{kind}Reason", "message": "words", **times, **fields}


READY = condition("Ready", reason="KubeletReady")
WELL = (condition("MemoryPressure", "False"), condition("DiskPressure", "False"))
DEVICES = {"cpu": "96", "memory": "1056Gi", "pods": "110", "hugepages-2Mi": "0", "nvidia.com/gpu": "8"}
ALWAYS: Mapping[str, str] = {
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "node.kubernetes.io/instance-type": "p5.48xlarge",
    "topology.kubernetes.io/region": "eu-central-1",
}


def gpu_node(name: str = "gpu-1", version: int = 1, **parts: Any) -> dict[str, Any]:
    """A node with eight GPUs; `parts`: labels, taints, conditions, unschedulable, allocatable, capacity."""
    labels = {**ALWAYS, "kubernetes.io/hostname": name, **parts.get("labels", {})}
    spec = {"podCIDR": "10.0.1.0/24", "providerID": f"aws:///eu-central-1a/{name}"}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": spec | {key: parts[key] for key in ("taints", "unschedulable") if key in parts},
        "status": {
            "conditions": parts.get("conditions", [*WELL, READY]),
            "allocatable": parts.get("allocatable", DEVICES),
            "capacity": parts.get("capacity", DEVICES),
            "images": [
                {"names": [f"registry.example/{n}@sha256:{n:064}"], "sizeBytes": n} for n in range(50)
            ],
        },
    }
