"""A RayJob on a real API server: the test plays the kubelet for its pods and Ray for its job."""

from collections.abc import Mapping
from typing import Any

from support.cluster_api import Namespace, ended, running
from support.faults.loop_thread import LoopThread
from support.queue_scene import free_host
from support.stand_in_dashboard import PORT, StandInDashboard
from support.stand_in_kubelet import StandInKubelet
from support.waiting import eventually

HEAD = "ray.io/node-type=head"


class JobScene:
    """One RayJob, and the dashboard that each of its clusters' heads has."""

    def __init__(
        self, namespace: Namespace, name: str, loop: LoopThread, kubelet: StandInKubelet | None = None
    ) -> None:
        """With a kubelet the ports of heads can be forwarded to the dashboard."""
        self.namespace = namespace
        self.name = name
        self.api = namespace.api
        self.dashboard = StandInDashboard()
        self._loop = loop
        self._kubelet = kubelet
        self._host = free_host()
        self._jobs = f"/apis/ray.io/v1/namespaces/{namespace.name}/rayjobs"
        self._batch = f"/apis/batch/v1/namespaces/{namespace.name}/jobs"
        self.path = f"{self._jobs}/{name}"
        self.listen()

    def listen(self) -> None:
        """The dashboard answers from now on."""
        self._loop.run(self.dashboard.start(self._host, PORT))

    def fall_silent(self) -> None:
        """Nothing listens at the dashboard's address any more."""
        self._loop.run(self.dashboard.stop())

    def lose_head(self) -> None:
        """The head's pod is deleted, and Ray's memory of the job with it."""
        self.dashboard.jobs.clear()
        of_cluster = f"ray.io/cluster={self.status['rayClusterName']}"
        (head,) = self.namespace.living_pods(f"{of_cluster},{HEAD}")
        self.namespace.delete_pod(head["metadata"]["name"])

    def close(self) -> None:
        self.fall_silent()

    # The user

    def apply(self, spec: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
        """Create the RayJob."""
        body = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": self.name, **metadata}}
        return self.api.call("POST", self._jobs, {**body, "spec": dict(spec)})

    def edit(self, **fields: Any) -> None:
        """Merge fields into the spec."""
        kind = "application/merge-patch+json"
        self.api.call("PATCH", self.path, {"spec": fields}, content_type=kind)

    def delete(self) -> None:
        self.api.call("DELETE", self.path)

    # The kubelet and Ray

    def play(self) -> None:
        """Let every pod of the job's cluster run and be ready; heads get the dashboard's address."""
        of_cluster = f"ray.io/cluster={self.status.get('rayClusterName', '')}"
        for pod in self.namespace.living_pods(of_cluster):
            if pod["status"].get("phase") != "Running":
                is_head = pod["metadata"]["labels"]["ray.io/node-type"] == "head"
                address = self._host if is_head else "10.1.0.1"
                if is_head and self._kubelet is not None:
                    self._kubelet.take(pod)
                    self._kubelet.addresses[pod["metadata"]["name"]] = (self._host, PORT)
                self.namespace.set_pod_status(pod["metadata"]["name"], running(address))

    def await_state(self, state: str, seconds: float = 20.0) -> dict[str, Any]:
        """Play until the RayJob is in this state; return its status."""

        def there() -> bool:
            self.play()
            return bool(self.status.get("jobDeploymentStatus") == state)

        eventually(f"RayJob {self.name} to be {state}", there, seconds=seconds, why=lambda: str(self.status))
        return self.status

    def await_job(self, seconds: float = 20.0) -> str:
        """Play until the job is in Ray; return its id."""
        self.await_state("Running", seconds)
        eventually("the job to be submitted", lambda: self.dashboard.jobs, seconds=seconds)
        return next(reversed(self.dashboard.jobs))

    # What is there

    @property
    def stored(self) -> dict[str, Any]:
        return self.api.call("GET", self.path)

    @property
    def exists(self) -> bool:
        return self.api.exists(self.path)

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stored.get("status") or {}
        return found

    def condition(self, kind: str) -> dict[str, Any]:
        """A condition; empty when it is absent."""
        return next((dict(c) for c in self.status.get("conditions", []) if c["type"] == kind), {})

    @property
    def clusters(self) -> list[dict[str, Any]]:
        """Its clusters that are not being deleted."""
        return [c for c in self.namespace.clusters() if "deletionTimestamp" not in c["metadata"]]

    @property
    def submitters(self) -> list[dict[str, Any]]:
        """Kubernetes Jobs of the namespace."""
        return list(self.api.call("GET", self._batch)["items"])

    def end_submitter(self, exit_code: int) -> None:
        """The submitter's container ends; what becomes of its Job is for the Job controller to say."""
        (pod,) = self.namespace.living_pods(f"batch.kubernetes.io/job-name={self.name}")
        status = ended(exit_code)
        status["containerStatuses"][0]["name"] = "ray-job-submitter"
        self.namespace.set_pod_status(pod["metadata"]["name"], status)

    def events(self) -> list[tuple[str, str]]:
        """Reason and note of each event about the RayJob."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace.name}/events"
        items = self.api.call("GET", path)["items"]
        return [(e["reason"], e.get("note", "")) for e in items if e["regarding"]["kind"] == "RayJob"]
