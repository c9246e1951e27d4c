"""Clusters that follow the queue of a pretended Ray, on a real API server; the test plays the kubelet."""

import itertools
import os
from collections.abc import Collection, Mapping
from typing import Any

from support.builders import group, raycluster, spec, template
from support.cluster_api import Namespace, running
from support.faults.loop_thread import LoopThread
from support.pretend_ray import PretendRay

HEAD = "ray.io/node-type=head"
WORKERS = "ray.io/node-type=worker"
GROUP = "gpu"
_hosts = itertools.count(1)


def free_host() -> str:
    """An address of this machine that no other test run takes for a head."""
    pid, number = os.getpid(), next(_hosts)
    return f"127.{10 + pid % 200}.{pid // 200 % 200 + number // 250}.{number % 250 + 1}"


def elastic(
    *groups: Mapping[str, Any], options: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A spec that follows its queue; one group of 0 to 3 pods with a GPU each where none is given."""
    given = groups or (gpu_group(),)
    scaling = {"idleTimeoutSeconds": 1, **(options or {})}
    return spec(*given, enableInTreeAutoscaling=True, autoscalerOptions=scaling, **fields)


def gpu_group(name: str = GROUP, **fields: Any) -> dict[str, Any]:
    """A group of 0 to 3 pods with a GPU each."""
    return group(name, **{"replicas": 0, "maxReplicas": 3, "template": template(gpu="1"), **fields})


class QueueScene:
    """One cluster and its Ray."""

    def __init__(self, namespace: Namespace, name: str, loop: LoopThread) -> None:
        self.namespace = namespace
        self.name = name
        self.ray = PretendRay()
        self._loop = loop
        self._host = free_host()
        self._of_cluster = f"ray.io/cluster={name}"
        loop.run(self.ray.start(self._host))

    def close(self) -> None:
        self._loop.run(self.ray.stop())

    def apply(self, spec_fields: Mapping[str, Any], **metadata: Any) -> None:
        """Create the cluster."""
        made = raycluster(self.name, spec_fields=spec_fields)
        self.namespace.apply({**made, "metadata": {**made["metadata"], **metadata}})

    def play(self, *, starts: bool = True, stuck: Collection[str] = ()) -> set[str]:
        """Do what a kubelet would do now; return the existing workers.

        Without `starts` no worker starts; nothing happens to those that are `stuck`.
        """
        pods = {pod["metadata"]["name"]: pod for pod in self.namespace.living_pods(self._of_cluster)}
        for name in [name for name in self.ray.nodes if name not in pods]:
            self.ray.leave(name)
        for name, pod in pods.items():
            labels = pod["metadata"]["labels"]
            is_head = labels["ray.io/node-type"] == "head"
            if name in self.ray.nodes or name in stuck or not (starts or is_head):
                continue
            self.namespace.set_pod_status(name, running(self._host if is_head else "10.1.0.1"))
            if is_head:
                self.ray.begin(name)
            else:
                self.ray.join(name, labels["ray.io/group"])
        return {
            name for name, pod in pods.items() if pod["metadata"]["labels"]["ray.io/group"] != "headgroup"
        }

    @property
    def stored(self) -> dict[str, Any]:
        """The cluster as the API server has it."""
        return self.namespace.cluster(self.name)

    @property
    def autoscaler(self) -> dict[str, Any]:
        """`status.autoscaler`; empty while there is none."""
        return dict(self.stored.get("status", {}).get("autoscaler") or {})

    def replicas(self, place: int = 0) -> int:
        """The spec's size of a group."""
        return int(self.stored["spec"]["workerGroupSpecs"][place].get("replicas") or 0)

    def notes(self, reason: str) -> list[str]:
        """What events of a reason say about this cluster."""
        events = self.namespace.events(reason)
        return [event["note"] for event in events if event["regarding"]["name"] == self.name]
