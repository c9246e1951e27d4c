"""A day of an operator in two minutes: growth, failures, demand that nothing serves, limits, outages, deaths.

The test bed plays what is around it; a Prometheus watches all the while.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support.builders import spec
from support.cluster_api import ClusterApi, Namespace, ended
from support.faults.loop_thread import LoopThread
from support.job_scene import JobScene
from support.operator_process import Grants, OperatorProcess, service_account_kubeconfig
from support.other_exporters import LIMIT, Exporter
from support.prometheus import Prometheus
from support.queue_scene import HEAD, WORKERS, QueueScene, elastic, gpu_group
from support.waiting import POLL_SECONDS, eventually

ACCOUNT = "watched"
TRAINING, SERVING = "training", "serving"
NIGHTLY, HOURLY = "nightly", "hourly"
GPUS_OF_A_CLUSTER = 7
"""A ceiling."""
REST_SECONDS = 4
STAYS_IDLE = 25
"""Seconds after which an idle worker leaves."""


class Day:
    """Two replicas, two clusters that follow their queues, two jobs, a namespace that is closed at first."""

    def __init__(self, api: ClusterApi, loop: LoopThread, folder: Path) -> None:
        self._api = api
        self._grants = Grants(api, ACCOUNT, "jobs.enabled=true")
        self.namespace = self._make("research")
        self._closed = self._make("closed")
        self._grants.give(self.namespace.name)
        self._grants.give(self.namespace.name, lease=True)
        kubeconfig = service_account_kubeconfig(api, folder, account=ACCOUNT)
        names = [word for place in (self.namespace, self._closed) for word in ("--namespace", place.name)]
        settings = folder / "scaling.yaml"
        settings.write_text(json.dumps({"ceilings": {"gpusPerCluster": GPUS_OF_A_CLUSTER}}))
        own = ["--lease-namespace", self.namespace.name, "--scaling-config", str(settings), "--jobs", "true"]
        first = OperatorProcess(kubeconfig, folder, [*names, *own])
        self.operators = {"operator-0": first, "operator-1": first.replica("operator-1")}
        self.training = QueueScene(self.namespace, TRAINING, loop)
        self.serving = QueueScene(self.namespace, SERVING, loop)
        self.nightly, self.hourly = (JobScene(self.namespace, name, loop) for name in (NIGHTLY, HOURLY))
        self._loop = loop

    def _make(self, name: str) -> Namespace:
        self._api.create_namespace(name)
        return self._api.namespace(name)

    def close(self) -> None:
        for operator in self.operators.values():
            operator.kill()
        for scene in (self.training, self.serving, self.nightly, self.hourly):
            scene.close()

    @property
    def targets(self) -> Mapping[str, int]:
        """Where the replicas that run are read."""
        return {name: operator.metrics_port for name, operator in self.operators.items() if operator.runs}

    def start_operators(self) -> None:
        for operator in self.operators.values():
            operator.start()

    def play(self, prometheus: Prometheus, others: Exporter, firing: Callable[[str], bool]) -> None:
        """From morning to night; each part ends when its alert fires, and the next sets things right."""
        watch = _Watch(self, prometheus, others, firing)
        self._morning(watch)
        self._failures(watch)
        self._limits(watch)
        self._outages(watch)
        self._evening(watch)
        self._deaths(watch)

    def _morning(self, watch: "_Watch") -> None:
        """Work comes, and nodes are slow to come. A job waits for its cluster."""
        watch.until("RayfleetNamespaceUnavailable")
        self._grants.give(self._closed.name)
        options = {"idleTimeoutSeconds": STAYS_IDLE}
        self.training.apply(elastic(gpu_group(maxReplicas=6), options=options))
        self.serving.apply(elastic(gpu_group(maxReplicas=10), options=options))
        eventually("the heads", lambda: self._heads() == 2)
        watch.rest()
        self.training.ray.submit(8)  # Two more than it may have nodes.
        self.serving.ray.submit(1)
        self.nightly.apply(_job())
        self.hourly.apply(_job(shutdownAfterJobFinishes=True, ttlSecondsAfterFinished=3600))
        waiting = ("RayfleetPodsPending", "RayfleetClusterNotReady", "RayfleetDemandUnmet")
        watch.until(*waiting, "RayfleetJobWaitsForCluster", starts=False)
        watch.until_there(6, TRAINING)
        watch.until_they_run(self.nightly, self.hourly)

    def _failures(self, watch: "_Watch") -> None:
        """Every worker ends, and a quota does not let all of them come back; a task asks for too much.

        A job loses its head, and is tried again. Then its dashboard is silent for a while.
        """
        quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "5"}}}
        self.namespace.create("resourcequotas", quota)
        eventually("the quota", lambda: self.namespace.quota("gpus").get("status", {}).get("hard"))
        pods = self.namespace.living_pods(f"ray.io/cluster={TRAINING},{WORKERS}")
        for pod in pods:
            self.namespace.set_pod_status(pod["metadata"]["name"], ended())
        self.training.ray.submit(len(pods))
        self.nightly.lose_head()
        watch.until("RayfleetPodsCrashLooping", "RayfleetPodsHeld", "RayfleetJobsLostToInfrastructure")
        self.namespace.set_quota("gpus", {"requests.nvidia.com/gpu": "100"})
        watch.until_there(6, TRAINING, seconds=90)
        watch.rest()
        watch.until_they_run(self.nightly)
        self.training.ray.larger = {8: 2}
        watch.others.tasks = 2
        self.nightly.fall_silent()
        watch.until("RayfleetInfeasibleDemand", "RayfleetJobDashboardUnreachable")
        self.nightly.listen()
        self.training.ray.larger = {}
        watch.others.tasks = 0

    def _limits(self, watch: "_Watch") -> None:
        """A ceiling; the head of the day's largest cluster fills up; jobs end, and one keeps its GPU."""
        watch.others.head_memory = 0.95 * LIMIT
        self.serving.ray.submit(8)
        self.nightly.dashboard.finish(self.nightly.status["jobId"], "FAILED")
        self.hourly.dashboard.finish(self.hourly.status["jobId"])
        watch.until("RayfleetCeilingReached", "RayfleetHeadMemoryHigh", "RayfleetJobGpusHeld")
        watch.until_there(GPUS_OF_A_CLUSTER, SERVING)
        watch.others.head_memory = 0.3 * LIMIT
        self.serving.ray.waiting = 0

    def _outages(self, watch: "_Watch") -> None:
        """A head that does not answer, then an API server that refuses to write a status."""
        (head,) = self.namespace.living_pods(f"ray.io/cluster={TRAINING},{HEAD}")
        self.namespace.set_pod_status(head["metadata"]["name"], _conditions(ready="False"))
        self._loop.run(self.training.ray.stop())
        watch.until("RayfleetQueueUnknown")
        self._loop.run(self.training.ray.come_back())
        self.namespace.set_pod_status(head["metadata"]["name"], _conditions(ready="True"))
        watch.until("RayfleetWatchSilent")
        role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace.name}/roles/{ACCOUNT}"
        rules = self._api.call("GET", role)["rules"]
        fewer = [rule for rule in rules if "rayclusters/status" not in rule["resources"]]
        assert fewer != rules
        self._change(role, {"rules": fewer})
        # A new generation of the spec, which the status should record.
        self.namespace.patch(TRAINING, {"autoscalerOptions": {"idleTimeoutSeconds": STAYS_IDLE + 1}})
        watch.until("RayfleetPassesFailing")
        self._change(role, {"rules": rules})

    def _change(self, path: str, body: Mapping[str, Any]) -> None:
        self._api.call("PATCH", path, body, content_type="application/merge-patch+json")

    def _evening(self, watch: "_Watch") -> None:
        """The work is done; GPUs idle, then leave. The job that has failed gives its own back."""
        self.nightly.edit(shutdownAfterJobFinishes=True)
        for scene in (self.training, self.serving):
            scene.ray.waiting = 0
            scene.ray.finish(*scene.ray.busy)
        watch.until("RayfleetGpusIdle")
        watch.until_there(0, TRAINING, seconds=60)
        watch.rest()

    def _deaths(self, watch: "_Watch") -> None:
        """The leader dies, and the other takes over; then that one dies too, until both are back."""
        leader, other = sorted(self.operators.values(), key=_leads, reverse=True)
        leader.kill()
        watch.until("RayfleetNoLeader")
        eventually("the other to lead", lambda: _leads(other), seconds=40)
        other.kill()
        watch.until("RayfleetOperatorDown", plays=False)
        self.start_operators()
        watch.prometheus.scrape({**self.targets, "others": watch.others.port})
        self.training.ray.submit(1)
        watch.until_there(1, TRAINING, seconds=60)

    def _heads(self) -> int:
        for scene in (self.training, self.serving):
            scene.play(starts=False)
        return sum(len(scene.ray.nodes) for scene in (self.training, self.serving))


def _job(**fields: Any) -> dict[str, Any]:
    """A job on a cluster with one GPU, which is tried again if it is lost to the infrastructure."""
    return {
        "entrypoint": "python train.py",
        "submissionMode": "HTTPMode",
        "retryPolicy": {"backoffSeconds": 1},
        "startPolicy": "Head",
        "rayClusterSpec": spec(gpu_group(replicas=1)),
        **fields,
    }


def _conditions(*, ready: str) -> dict[str, Any]:
    """The part of a running pod's status that says whether it is ready."""
    return {"conditions": [{"type": "Ready", "status": ready}, {"type": "PodScheduled", "status": "True"}]}


def _leads(operator: OperatorProcess) -> bool:
    return "rayfleet_leader 1.0" in operator.metrics()


class _Watch:
    """Plays the kubelet until Prometheus has seen something."""

    def __init__(
        self, day: Day, prometheus: Prometheus, others: Exporter, firing: Callable[[str], bool]
    ) -> None:
        self._day = day
        self._firing = firing
        self.prometheus = prometheus
        self.others = others

    def until(self, *alerts: str, starts: bool = True, plays: bool = True) -> None:
        """These alerts fire, at the same time or one after the other."""
        missing = set(alerts)

        def all_seen() -> bool:
            if plays:
                self._play(starts=starts)
            missing.difference_update([alert for alert in missing if self._firing(alert)])
            return not missing

        eventually(f"{' and '.join(alerts)} to fire", all_seen, seconds=60, why=lambda: missing)

    def until_there(self, count: int, cluster: str, *, seconds: float = 30) -> None:
        """So many workers run in a cluster."""

        def there() -> bool:
            return self._play()[cluster] == count

        eventually(f"{count} workers of {cluster}", there, seconds=seconds, why=self._play)

    def until_they_run(self, *jobs: JobScene) -> None:
        """Ray runs these jobs."""

        def run() -> bool:
            self._play()
            for job in jobs:
                if (mine := job.status.get("jobId")) in job.dashboard.jobs:
                    job.dashboard.run(mine)
            return all(job.status.get("jobStatus") == "RUNNING" for job in jobs)

        eventually("Ray to run the jobs", run, seconds=60, why=lambda: [job.status for job in jobs])

    def rest(self) -> None:
        """Nothing happens for long enough that Prometheus sees it."""
        end = time.monotonic() + REST_SECONDS
        while time.monotonic() < end:
            self._play()
            time.sleep(POLL_SECONDS)

    def _play(self, *, starts: bool = True) -> dict[str, int]:
        counts = {}
        for job in (self._day.nightly, self._day.hourly):
            if starts and job.exists:
                job.play()
        for scene in (self._day.training, self._day.serving):
            workers = scene.play(starts=starts)
            joined = sorted(workers & set(scene.ray.nodes))
            counts[scene.name] = len(joined)
            if scene.name == TRAINING:
                self.others.workers = joined
        return counts
