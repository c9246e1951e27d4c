"""The steps of the demo, one function each. Each raises DemoError that says what did not come true."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo import containers
from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.narration import Narration
from demo.pods import RayPod, gpus, ray_pods
from demo.waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
CHART = REPOSITORY / "charts" / "rayfleet"
NAMESPACE = "rayfleet"
RELEASE = "rayfleet"
CLUSTER = "sample"
WORKERS = 3
_READY_SECONDS = 120
_JOB_FOLDER = "/tmp/job"  # noqa: S108 -- in the head's container
_ABOUT_JOB = re.compile(r"Job '\w+' (?P<state>submitted|succeeded|failed|was stopped)")
_RAYS_OWN_LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:|Running entrypoint|$")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Stage:
    """What the steps share."""

    kubectl: Kubectl
    helm: Path
    operator_image: str
    tell: Narration


def install_operator(stage: Stage) -> None:
    """Install the chart, and wait until the operator is ready."""
    repository, _, tag = stage.operator_image.rpartition(":")
    command = [
        *(str(stage.helm), "upgrade", "--install", RELEASE, str(CHART)),
        *(f"--kubeconfig={stage.kubectl.kubeconfig}", f"--namespace={NAMESPACE}", "--create-namespace"),
        *(f"--set=image.repository={repository}", f"--set-string=image.tag={tag}"),
        *("--wait", "--timeout=60s"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"waited 60 s for helm to install the operator, in vain: {done.stderr.strip()}")
    stage.tell.show(stage.kubectl("get", "pods", f"--namespace={NAMESPACE}"))


def create_cluster(stage: Stage) -> None:
    """Apply the example and wait until its head and its workers are ready on nodes with GPUs."""
    stage.tell.show("$ kubectl apply -k examples")
    stage.tell.show(stage.kubectl("apply", "--kustomize", str(EXAMPLES)))
    offered = gpus(stage.kubectl)
    told: set[str] = set()

    def all_ready() -> list[RayPod] | None:
        for pod in ray_pods(stage.kubectl, CLUSTER):
            if pod.ready and pod.uid not in told:
                told.add(pod.uid)
                stage.tell.show(f"{pod.name:<34} Ready on {pod.node} ({offered.get(pod.node, 0)} GPUs)")
        return _all_ready(stage)

    pods = wait_for(f"a head and {WORKERS} workers to be Ready", all_ready, seconds=_READY_SECONDS)
    without = [pod for pod in pods if pod.node_type == "worker" and not offered.get(pod.node)]
    if without:
        raise DemoError(f"worker {without[0].name} is on node {without[0].node}, which has no GPU")


def show_ray_status(stage: Stage) -> None:
    """Show what `ray status` says in the head pod, once it counts every worker's GPU."""
    stage.tell.show("$ ray status    (in the head pod)")
    said = _full_ray_status(stage)
    stage.tell.show(said[said.find("Node status") :])


def run_job(stage: Stage) -> None:
    """Submit examples/sum_primes.py with `ray job submit` and wait for its end."""
    stage.tell.show(
        f"$ ray job submit --working-dir {_JOB_FOLDER} -- python sum_primes.py    (in the head pod)"
    )
    put = f"mkdir -p {_JOB_FOLDER} && cat > {_JOB_FOLDER}/sum_primes.py"
    copy = list(_in_head(stage))
    copy.insert(1, "--stdin")
    stage.kubectl(*copy, "sh", "-c", put, given=(EXAMPLES / "sum_primes.py").read_text())
    submit = ("ray", "job", "submit", f"--working-dir={_JOB_FOLDER}", "--", "python", "sum_primes.py")
    ending = ""
    for line in stage.kubectl.stream(*_in_head(stage), *submit):
        plain = _ESCAPES.sub("", line).strip()
        found = _ABOUT_JOB.search(plain)
        if found:
            ending = found["state"]
            stage.tell.show(found[0])
        elif not _RAYS_OWN_LOG.match(plain):
            stage.tell.show(plain)
    if ending != "succeeded":
        raise DemoError("`ray job submit` did not say that the job succeeded")


def kill_worker(stage: Stage) -> None:
    """Kill a worker's Ray container, and wait until another pod has taken its place."""
    victim = next(pod for pod in ray_pods(stage.kubectl, CLUSTER) if pod.node_type == "worker")
    pid = containers.kill(victim.container_id)
    killed = stage.tell.seconds
    stage.tell.show(f"$ kill -9 {pid}    (the Ray container of {victim.name})")

    def back() -> RayPod | None:
        pods = _all_ready(stage)
        if not pods or victim.uid in {pod.uid for pod in pods}:
            return None
        return pods[-1]

    newest = wait_for(f"a Ready pod in place of {victim.name}", back, seconds=_READY_SECONDS)
    seconds = stage.tell.seconds - killed
    stage.tell.show(f"{victim.name} is gone, {newest.name} is Ready on {newest.node} ({seconds:.1f} s)")
    _full_ray_status(stage)
    seconds = stage.tell.seconds - killed
    stage.tell.show(
        f"`ray status` no longer counts the one that died, but {WORKERS} GPUs again ({seconds:.1f} s)"
    )


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

    wait_for("the cluster's pods and Service to be gone", nothing_left, seconds=90)
    stage.tell.show(stage.kubectl.attempt("get", kinds, f"--selector=ray.io/cluster={CLUSTER}"))


def _full_ray_status(stage: Stage) -> str:
    wanted = f"/{WORKERS:.1f} GPU"

    def status() -> str | None:
        said = stage.kubectl.attempt(*_in_head(stage), "ray", "status")
        return said if wanted in said else None

    return wait_for(f"`ray status` to count {WORKERS} GPUs", status, seconds=60)


def _in_head(stage: Stage) -> tuple[str, ...]:
    head = next((pod for pod in ray_pods(stage.kubectl, CLUSTER) if pod.node_type == "head"), None)
    if head is None:
        raise DemoError(f"RayCluster {CLUSTER} has no head pod")
    return ("exec", head.name, "--container=ray-head", "--")


def _all_ready(stage: Stage) -> list[RayPod] | None:
    pods = ray_pods(stage.kubectl, CLUSTER)
    kinds = [pod.node_type for pod in pods if pod.ready]
    full = kinds.count("head") == 1 and kinds.count("worker") == WORKERS and len(kinds) == len(pods)
    return pods if full else None
