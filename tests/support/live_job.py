"""A RayJob that really runs."""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from support.installation import Installation
from support.waiting import eventually

START_SECONDS = 150
HEAD = {"num-cpus": "1", "object-store-memory": "100000000"}


def pod(name: str, port: int, **resources: Any) -> dict[str, Any]:
    """A template of a Ray pod with a probe that suits a test."""
    probe = {"httpGet": {"path": "/api/healthz", "port": port}, "periodSeconds": 1, "failureThreshold": 10}
    container = {
        "name": name,
        "image": "localhost/rayfleet/ray:2.60.0",
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {**probe, "timeoutSeconds": 5, "initialDelaySeconds": 1},
        "resources": resources,
    }
    return {"spec": {"terminationGracePeriodSeconds": 5, "containers": [container]}}


def cluster(workers: int = 0, *, elastic: bool = False) -> dict[str, Any]:
    """The spec of a small cluster with up to two GPU workers."""
    head = pod("ray-head", 52365, requests={"cpu": "100m", "memory": "1Gi"}, limits={"memory": "2Gi"})
    limits = {"memory": "1Gi", "nvidia.com/gpu": 1}
    worker = pod("ray-worker", 52365, requests={"cpu": "100m", "memory": "512Mi"}, limits=limits)
    group = {
        "groupName": "gpu",
        "replicas": workers,
        "minReplicas": 0,
        "maxReplicas": 2,
        "rayStartParams": {"num-cpus": "1", "object-store-memory": "100000000"},
        "template": worker,
    }
    scaling = {"enableInTreeAutoscaling": True, "autoscalerOptions": {"idleTimeoutSeconds": 5}}
    return {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"rayStartParams": HEAD, "template": head},
        "workerGroupSpecs": [group],
    } | (scaling if elastic else {})


@dataclass(frozen=True)
class LiveJob:
    """The RayJob `name`, the only one of its namespace, which has its name, too."""

    installation: Installation
    name: str

    @property
    def path(self) -> str:
        return f"/apis/ray.io/v1/namespaces/{self.name}/rayjobs/{self.name}"

    def apply(self, **spec: Any) -> None:
        """Create it in a namespace of its own, as a user would."""
        self.installation.api.create_namespace(self.name)
        body = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": self.name}, "spec": spec}
        text = yaml.safe_dump(json.loads(json.dumps(body)))
        self.installation.kubectl("apply", f"--namespace={self.name}", "--filename=-", given=text)

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.installation.api.call("GET", self.path).get("status") or {}
        return found

    def await_state(self, state: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Wait for a `jobDeploymentStatus`; return the status."""

        def there() -> dict[str, Any] | None:
            status = self.status
            assert status.get("jobDeploymentStatus") == state, (
                f"{status.get('jobDeploymentStatus')}: {status}"
            )
            return status

        what = f"RayJob {self.name} to be {state}"
        found = eventually(what, there, seconds=seconds, why=self.installation.why)
        return dict(found or {})

    def await_job_status(self, word: str, seconds: float = START_SECONDS) -> None:
        """Wait for a `jobStatus`."""
        eventually(
            f"Ray to say {word} about {self.name}",
            lambda: self.status.get("jobStatus") == word,
            seconds=seconds,
            why=lambda: f"{self.status} {self.installation.why()}",
        )

    def pods(self, selector: str = "ray.io/cluster") -> list[dict[str, Any]]:
        return self.installation.api.namespace(self.name).pods(selector)
