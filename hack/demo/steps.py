"""The steps of the demo, one function each.

Each raises a DemoError or TestbedError that says what failed.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from demo import containers, job
from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.narration import Narration
from demo.patience import Patience
from demo.pods import RayPod, gpus, ray_pods, where_pods_are, without_ages, workers

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "autoscaling"
CHART = REPOSITORY / "charts" / "rayfleet"
NAMESPACE = "rayfleet"
RELEASE = "rayfleet"
CLUSTER = "elastic"
MOST_WORKERS = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """What the steps share."""

    kubectl: Kubectl
    helm: Path
    operator_image: str
    tell: Narration
    patience: Patience
    submission: str
    """The id of the job; each run of the demo has its own."""

    def workers(self) -> list[RayPod]:
        return workers(self.kubectl, CLUSTER)

    def wait_for(self, what: str, check: Callable[[], T | None]) -> T:
        """Wait for it while the cluster's pods make progress."""
        return self.patience.wait_for(what, check, lambda: where_pods_are(self.kubectl, CLUSTER))


def install_operator(stage: Stage) -> None:
    """Install the chart, and wait until the operator is ready."""
    repository, _, tag = stage.operator_image.rpartition(":")
    command = [
        *(str(stage.helm), "upgrade", "--install", RELEASE, str(CHART)),
        *(f"--kubeconfig={stage.kubectl.kubeconfig}", f"--namespace={NAMESPACE}", "--create-namespace"),
        *(f"--set=image.repository={repository}", f"--set-string=image.tag={tag}", "--set=jobs.enabled=true"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"helm could not install the operator: {done.stderr.strip()}")
    ready = (
        "get",
        f"deployment/{RELEASE}",
        f"--namespace={NAMESPACE}",
        "--output=jsonpath={.status.conditions[?(@.type=='Available')].status}",
    )
    operators = ("get", "pods", f"--namespace={NAMESPACE}", "--no-headers")
    stage.patience.wait_for(
        "the operator to be ready",
        lambda: stage.kubectl(*ready) == "True",
        lambda: without_ages(stage.kubectl.attempt(*operators)),
    )
    stage.tell.show(stage.kubectl("get", "pods", f"--namespace={NAMESPACE}"))


def create_cluster(stage: Stage) -> None:
    """Apply the example and wait until its head is ready; nothing waits for a worker yet."""
    stage.tell.show("$ kubectl apply -k examples/autoscaling")
    stage.tell.show(stage.kubectl("apply", "--kustomize", str(EXAMPLE)))

    def head_ready() -> list[RayPod]:
        return [pod for pod in ray_pods(stage.kubectl, CLUSTER) if pod.node_type == "head" and pod.ready]

    (head,) = stage.wait_for("the head to be Ready", head_ready)
    stage.tell.show(f"{head.name} is Ready on {head.node}")
    state = ("get", "raycluster", CLUSTER, "--output=jsonpath={.status.state}")
    stage.wait_for("its status to say so", lambda: stage.kubectl(*state) == "ready")
    _show_cluster(stage)
    if stage.workers():
        raise DemoError("there is a worker, although no task waits for one")


def queue_job(stage: Stage) -> None:
    """Submit a job whose tasks need one GPU each, and wait until the maximum of workers has started."""
    stage.tell.show("$ ray job submit --working-dir ... -- python gpu_tasks.py    (in the head pod)")
    job.submit(stage.kubectl, CLUSTER, EXAMPLE / "gpu_tasks.py", stage.submission)
    submitted = stage.tell.seconds
    offered = gpus(stage.kubectl)
    shown: set[str] = set()

    def started() -> list[RayPod] | None:
        there = [pod for pod in stage.workers() if pod.container_id]
        for pod in there:
            if pod.uid not in shown:
                shown.add(pod.uid)
                seconds = f"{stage.tell.seconds - submitted:.1f} s after the job was submitted"
                stage.tell.show(f"{pod.name} runs on {pod.node} ({offered.get(pod.node, 0)} GPUs), {seconds}")
        return there if len(there) == MOST_WORKERS else None

    there = stage.wait_for(f"{MOST_WORKERS} workers to run", started)
    without = [pod for pod in there if not offered.get(pod.node)]
    if without:
        raise DemoError(f"worker {without[0].name} is on node {without[0].node}, which has no GPU")


def show_ray_status(stage: Stage) -> None:
    """Show what `ray status` says in the head pod, once it counts every worker's GPU."""
    stage.tell.show("$ ray status    (in the head pod)")
    said = _full_ray_status(stage)
    stage.tell.show(said[said.find("Node status") :])


def kill_worker(stage: Stage) -> None:
    """Kill a busy worker's Ray container, and wait until another pod has replaced it."""
    victim = stage.workers()[0]
    pid = containers.kill(victim.container_id)
    killed = stage.tell.seconds
    stage.tell.show(f"$ kill -9 {pid}    (the Ray container of {victim.name})")

    def back() -> RayPod | None:
        there = [pod for pod in stage.workers() if pod.container_id and pod.uid != victim.uid]
        return there[-1] if len(there) == MOST_WORKERS else None

    newest = stage.wait_for(f"a pod to replace {victim.name}", back)
    seconds = stage.tell.seconds - killed
    stage.tell.show(f"{victim.name} is gone, {newest.name} runs on {newest.node} ({seconds:.1f} s)")


def end_job(stage: Stage) -> None:
    """Wait until the job has succeeded, including the killed worker's task."""
    stage.tell.show(f"$ ray job logs --follow {stage.submission}    (in the head pod)")
    for line in job.follow(stage.kubectl, CLUSTER, stage.submission):
        stage.tell.show(line)


def await_no_workers(stage: Stage) -> None:
    """Wait until the idle workers have left."""

    def none_left() -> bool:
        return [pod.node_type for pod in ray_pods(stage.kubectl, CLUSTER)] == ["head"]

    stage.wait_for("the idle workers to leave", none_left)
    available = ("get", "raycluster", CLUSTER, "--output=jsonpath={.status.availableWorkerReplicas}")
    stage.wait_for("its status to say so", lambda: stage.kubectl(*available) in {"", "0"})
    _show_cluster(stage)
    stage.tell.show("Why the operator did what it did:")
    events = ("get", "events", "--field-selector=involvedObject.kind=RayCluster")
    columns = "--output=custom-columns=REASON:.reason,MESSAGE:.message"
    stage.tell.show(stage.kubectl(*events, "--sort-by=.metadata.creationTimestamp", columns))


def delete_cluster(stage: Stage) -> None:
    """Delete the RayCluster and wait until nothing of it is left."""
    stage.tell.show(f"$ kubectl delete raycluster {CLUSTER}")
    stage.kubectl("delete", "raycluster", CLUSTER, "--wait=false")
    kinds = "rayclusters.ray.io,pods,services"

    def nothing_left() -> bool:
        return not [
            *stage.kubectl.items(kinds, f"--selector=ray.io/cluster={CLUSTER}"),
            *stage.kubectl.items("rayclusters.ray.io"),
        ]

    stage.wait_for("the cluster's pods and Service to be gone", nothing_left)
    stage.tell.show(stage.kubectl.attempt("get", kinds, f"--selector=ray.io/cluster={CLUSTER}"))


def _show_cluster(stage: Stage) -> None:
    stage.tell.show("$ kubectl get rayclusters")
    stage.tell.show(stage.kubectl("get", "rayclusters"))


def _full_ray_status(stage: Stage) -> str:
    wanted = f"/{MOST_WORKERS:.1f} GPU"
    head = job.in_head(stage.kubectl, CLUSTER)
    said = ""

    def status() -> str | None:
        nonlocal said
        said = stage.kubectl.attempt(*head, "ray", "status")
        # A node that has just joined may still be shown as pending.
        return said if wanted in said and "(no pending nodes)" in said else None

    def counted() -> str:
        gpus_now = next((line.strip() for line in said.splitlines() if line.endswith(" GPU")), "no GPU yet")
        return f"Ray counts {gpus_now}; {where_pods_are(stage.kubectl, CLUSTER)}"

    what = f"`ray status` to count {MOST_WORKERS} GPUs and no pending node"
    return stage.patience.wait_for(what, status, counted)
