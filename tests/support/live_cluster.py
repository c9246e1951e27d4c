"""A RayCluster that really runs: its objects, and what Ray itself says about it."""

import re
from dataclasses import dataclass
from json import JSONDecodeError

from rayfleet.kube.objects.pods import ray_container_of
from support.cluster_api import ApiError, Namespace
from support.installation import Installation, Object, is_ready
from support.waiting import eventually

_START_SECONDS = 150
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class LiveCluster:
    """The RayCluster `name`, the only one of its namespace; `manifest` is what `kubectl apply` takes."""

    installation: Installation
    name: str
    manifest: tuple[str, ...]

    @property
    def namespace(self) -> Namespace:
        return self.installation.api.namespace(self.name)

    def apply(self) -> None:
        """Create it, or set it back to what its manifest says."""
        self.installation.kubectl("apply", f"--namespace={self.name}", *self.manifest)

    def stored(self) -> Object:
        return self.namespace.cluster(self.name)

    def scale(self, replicas: int) -> None:
        """Set the size of the first group."""
        groups = self.stored()["spec"]["workerGroupSpecs"]
        groups[0]["replicas"] = replicas
        self.namespace.patch(self.name, {"workerGroupSpecs": groups})

    def head(self) -> Object:
        """The head pod. Fails unless there is exactly one."""
        heads = self.namespace.pods("ray.io/node-type=head")
        assert len(heads) == 1, f"{len(heads)} heads"
        return heads[0]

    def workers(self) -> list[Object]:
        return self.namespace.pods("ray.io/node-type=worker")

    def whole(self) -> Object | None:
        """The stored object once all of it is ready and its status says so; None or a failure before."""
        cluster, pods = self.stored(), self.namespace.pods()
        groups = cluster["spec"]["workerGroupSpecs"]
        wanted = sum(group["replicas"] for group in groups)
        unready = [pod["metadata"]["name"] for pod in pods if not is_ready(pod) or is_going(pod)]
        assert not unready, f"not ready: {', '.join(unready)}"
        assert len(pods) == 1 + wanted, f"{len(pods)} pods of {1 + wanted}"
        status = cluster.get("status", {})
        said = (status.get("state"), status.get("readyWorkerReplicas"), status.get("observedGeneration"))
        assert said == ("ready", wanted, cluster["metadata"]["generation"]), f"the status says {said}"
        return cluster

    def await_whole(self) -> Object:
        what = f"the head and all workers of {self.name} to be ready"
        return eventually(what, self.whole, seconds=_START_SECONDS, why=self.installation.why)

    def in_head(self, *command: str, given: str | None = None) -> str:
        """The output of a command in the head's Ray container. Raises DemoError if it fails."""
        return self.in_pod(self.head(), *command, given=given)

    def in_pod(self, pod: Object, *command: str, given: str | None = None) -> str:
        options = (f"--namespace={self.name}", f"--container={ray_container(pod)}")
        stdin = ("--stdin",) if given is not None else ()
        target = ("exec", *stdin, *options, pod["metadata"]["name"])
        return _ESCAPES.sub("", self.installation.kubectl(*target, "--", *command, given=given))

    def dashboard(self, path: str) -> Object:
        """An answer of the head's dashboard, by way of the API server. Fails while it does not answer."""
        service = f"/api/v1/namespaces/{self.name}/services/{self.name}-head-svc:dashboard/proxy"
        try:
            return self.installation.api.call("GET", f"{service}/{path}")
        except (ApiError, JSONDecodeError) as error:  # While it starts, it may answer in plain text.
            raise AssertionError(f"the dashboard does not answer: {error}") from error

    def ray_nodes(self) -> dict[str, float]:
        """The GPUs of each node that is alive for Ray, including the head, by the node's IP address."""
        nodes = self.dashboard("nodes?view=summary")["data"]["summary"]
        alive = [node["raylet"] for node in nodes if node["raylet"]["state"] == "ALIVE"]
        return {node["nodeManagerAddress"]: node["resourcesTotal"].get("GPU", 0.0) for node in alive}

    def await_ray(self) -> None:
        """Wait until the nodes that are alive for Ray are exactly the cluster's pods."""

        def agree() -> bool:
            seen, there = sorted(self.ray_nodes()), sorted(ip(pod) for pod in self.namespace.pods())
            assert seen == there, f"Ray sees {seen}, the pods are {there}"
            return True

        what = f"Ray to see all pods of {self.name} and no other"
        eventually(what, agree, seconds=60, why=self.installation.why)


def uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])


def ip(pod: Object) -> str:
    return str(pod["status"].get("podIP", ""))


def is_going(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def ray_container(pod: Object) -> str:
    return str(ray_container_of(pod["spec"])["name"])


def container_id(pod: Object) -> str:
    """The full id of the Ray container, as the container runtime knows it."""
    name = ray_container(pod)
    states = [state for state in pod["status"]["containerStatuses"] if state["name"] == name]
    return str(states[0]["containerID"]).rpartition("/")[2]
