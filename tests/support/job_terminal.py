"""A job, its head and an API server with port-forwards, as the commands about jobs see them; no operator."""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rayfleet.cli.api_server import api_server
from support.builders import group, raycluster, spec
from support.cluster_api import running
from support.faults.loop_thread import LoopThread
from support.forwarding_api import ForwardingApi
from support.rayjob_samples import cluster_spec
from support.stand_in_dashboard import StandInDashboard

ROOT = Path(__file__).parents[2]
NAMESPACE = "team-a"
JOB, JOB_ID, CLUSTER, HEAD = "train", "train-abcde", "train-x7k2p", "train-x7k2p-head-0"
CREATED = "2026-12-01T10:00:00Z"
JOBS_PATH = f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayjobs"
JOB_PATH = f"{JOBS_PATH}/{JOB}"
CLUSTER_PATH = f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayclusters/{CLUSTER}"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"


class JobTerminal:
    """What a user's machine can reach. The test plays the operator and Ray."""

    def __init__(self, folder: Path) -> None:
        self.api = ForwardingApi()
        self.dashboard = StandInDashboard()
        self._loop = LoopThread("job-terminal")
        self._loop.start()
        self._loop.run(self.api.start())
        self._loop.run(self.dashboard.start())
        self.kubeconfig = self.api.kubeconfig(folder)
        self._folder = folder
        host, _, port = self.dashboard.address.rpartition(":")
        self.api.addresses = {HEAD: (host, int(port))}
        self.put_cluster()

    def close(self) -> None:
        self._loop.run(self.dashboard.stop())
        self._loop.run(self.api.stop())
        self._loop.stop()

    def server(self) -> Any:  # noqa: ANN401 - a context manager
        """The commands' own client."""
        return api_server(str(self.kubeconfig), None)

    def fall_silent(self) -> None:
        """The head does not listen any more; its pod is still there."""
        self._loop.run(self.dashboard.stop())

    def put_job(self, state: str = "Running", **status: Any) -> None:
        """What the operator has recorded."""
        in_ray = {"rayClusterName": CLUSTER, "jobId": JOB_ID} if state not in {"", "ValidationFailed"} else {}
        known = {"jobDeploymentStatus": state, "attempt": 1, "startTime": CREATED, **in_ray}
        self.api.answers[JOB_PATH] = 200, stored_job(status={**known, **status} if state else {})

    def put_running(self, **status: Any) -> None:
        """A job that Ray runs."""
        if JOB_ID not in self.dashboard.jobs:
            self.dashboard.submit(JOB_ID)
            self.dashboard.run(JOB_ID)
        self.put_job("Running", jobStatus="RUNNING", submission={"acceptedTime": CREATED}, **status)

    def end(self, status: str = "SUCCEEDED", job_id: str = JOB_ID, **fields: Any) -> None:
        """The job has ended in Ray, and the operator knows."""
        if job_id in self.dashboard.jobs:
            self.dashboard.finish(job_id, status, **fields)
        state = "Failed" if status == "FAILED" else "Complete"
        verdict = {"category": "application", "cause": "DriverExited", "evidence": ["exit code 3"]}
        self.put_job(
            state,
            jobStatus=status,
            endTime="2026-12-01T10:05:00Z",
            submission={"acceptedTime": CREATED},
            jobId=job_id,
            **({"verdict": verdict, "reason": "AppFailed"} if status == "FAILED" else {}),
        )

    def put_cluster(self, **fields: Any) -> None:
        """The job's cluster, with a head that runs."""
        cluster = raycluster(CLUSTER, spec_fields=spec(group("gpu", 0), **fields))
        meta = {"namespace": NAMESPACE, "uid": "uid-of-cluster", "resourceVersion": "1", "generation": 1}
        cluster["metadata"] |= meta
        self.api.answers[CLUSTER_PATH] = 200, cluster
        self.api.answers[PODS_PATH] = 200, {"items": [_head_pod()]}

    def protect(self, token: str) -> None:
        """The head wants a token."""
        self.put_cluster(authOptions={"mode": "token"})
        data = {"auth_token": base64.b64encode(token.encode()).decode()}
        self.api.answers[f"/api/v1/namespaces/{NAMESPACE}/secrets/{CLUSTER}"] = 200, {"data": data}
        self.dashboard.token = token

    def lose_cluster(self) -> None:
        """The cluster is deleted."""
        for path in (CLUSTER_PATH, PODS_PATH):
            del self.api.answers[path]

    def start(self, *words: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command as its user does: one that a shell has started behind it would ignore Ctrl-C."""
        program = ("/usr/bin/env", "--default-signal=INT", sys.executable, "-m", "rayfleet.cli")
        command = [*program, *words[:1], f"--kubeconfig={self.kubeconfig}"]
        environment = {"PYTHONPATH": str(ROOT / "operator"), "PYTHONUNBUFFERED": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([*command, *words[1:]], text=True, env=environment, cwd=self._folder, **pipes)


def stored_job(name: str = JOB, status: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A RayJob as an API server has it."""
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": CREATED,
    }
    given = {"entrypoint": "python train.py", "submissionMode": "HTTPMode", "rayClusterSpec": cluster_spec()}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": metadata,
        "spec": {**given, **fields},
        "status": dict(status or {}),
    }


def _head_pod() -> dict[str, Any]:
    owner = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": CLUSTER, "controller": True}
    labels = {"ray.io/cluster": CLUSTER, "ray.io/node-type": "head", "ray.io/group": "headgroup"}
    return {
        "metadata": {
            "name": HEAD,
            "namespace": NAMESPACE,
            "uid": "uid-of-head",
            "resourceVersion": "1",
            "creationTimestamp": CREATED,
            "labels": labels,
            "ownerReferences": [owner | {"uid": "uid-of-cluster"}],
        },
        "spec": {"containers": [{"name": "ray", "image": "ray"}]},
        "status": running(),
    }


def as_text(value: object) -> str:
    """JSON, as a file of a user has it."""
    return json.dumps(value)
