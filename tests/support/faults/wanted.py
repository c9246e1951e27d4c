"""What a namespace should contain at the end, and what is missing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from support.faults.history import Object, State

CLUSTER = "ray.io/cluster"
GROUP = "ray.io/group"
NODE_TYPE = "ray.io/node-type"
HEAD = "headgroup"
REPLICA = "ray.io/worker-group-replica-name"
HOST = "ray.io/replica-host-index"
REDIS_FINALIZER = "ray.io/gcs-ft-redis-cleanup-finalizer"

HOSTS: Mapping[str, int] = {"tpu": 2}
"""Multi-host groups by name, with their pods per replica."""

GPUS: Mapping[str, int] = {"capped": 1}
"""Groups with GPUs by name, with their GPUs per pod."""

Sizes = Mapping[str, int]
"""Worker group to size, in replicas."""
Fleet = Mapping[str, Sizes]
"""Cluster to its worker groups."""


def labels(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def owner_uid(obj: Object) -> str:
    """The uid of the RayCluster that controls an object; empty if there is none."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((str(r["uid"]) for r in references if r.get("controller") and r["kind"] == "RayCluster"), "")


def ended(pod: Object) -> bool:
    """Whether Ray does not run in the pod, and never will again."""
    return (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}


def is_head(pod: Object) -> bool:
    """Whether a pod, as it was created, is a head by the operator's annotations and its label."""
    annotations = pod["metadata"].get("annotations") or {}
    return "rayfleet.io/head-epoch" in annotations or labels(pod).get(NODE_TYPE) == "head"


def in_view(pod: Object) -> bool:
    """Whether a cluster controls it, and it carries the label that the operator watches by."""
    return bool(owner_uid(pod)) and CLUSTER in labels(pod)


def pods_of(sizes: Sizes) -> dict[str, int]:
    """Worker group to pods."""
    return {group: size * HOSTS.get(group, 1) for group, size in sizes.items()}


def terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def active(pod: Object) -> bool:
    return not ended(pod) and not terminating(pod)


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A namespace at rest: these clusters, each whole and ready, and nothing else."""

    fleet: Fleet

    def missing(self, state: State) -> str:
        """What is not as desired yet; empty if everything is."""
        clusters = state.of("rayclusters")
        if set(clusters) != set(self.fleet):
            return f"clusters {sorted(clusters)} instead of {sorted(self.fleet)}"
        for name, sizes in self.fleet.items():
            pods = pods_of(sizes)
            words = _pods_missing(name, pods, state) or _status_missing(clusters[name], sum(pods.values()))
            if words:
                return f"{name}: {words}"
        made = {name: labels(state.as_made(pod)) for name, pod in state.of("pods").items()}
        strangers = [name for name, known in made.items() if known.get(CLUSTER) not in self.fleet]
        services = Counter(labels(s).get(CLUSTER, "") for s in state.of("services").values())
        wanted = {name: 1 + any(group in HOSTS for group in sizes) for name, sizes in self.fleet.items()}
        if strangers or services != Counter(wanted):
            return f"pods {strangers} are left, services are {dict(services)}"
        return ""


def _pods_missing(name: str, sizes: Sizes, state: State) -> str:
    pods = [
        (pod, labels(made))
        for pod in state.of("pods").values()
        for made in [state.as_made(pod)]
        if labels(made).get(CLUSTER) == name and (in_view(pod) or is_head(made))
    ]
    unready = [pod["metadata"]["name"] for pod, _ in pods if not active(pod) or not is_ready(pod)]
    found = Counter(known.get(GROUP, "") for _, known in pods)
    wanted = Counter({HEAD: 1, **{group: size for group, size in sizes.items() if size}})
    if found != wanted:
        return f"pods {dict(found)} instead of {dict(wanted)}"
    return f"not running: {unready}" if unready else ""


def _status_missing(cluster: Object, workers: int) -> str:
    status: Mapping[str, Any] = cluster.get("status") or {}
    generation = cluster["metadata"]["generation"]
    wanted = {
        "observedGeneration": generation,
        "state": "ready",
        "readyWorkerReplicas": workers,
        "availableWorkerReplicas": workers,
        "desiredWorkerReplicas": workers,
    }
    wrong = {name: status.get(name) for name, value in wanted.items() if status.get(name) != value}
    ready = next((c["status"] for c in status.get("conditions") or () if c["type"] == "Ready"), "")
    if ready != "True":
        wrong["Ready"] = ready
    return f"the status has {wrong}" if wrong else ""
