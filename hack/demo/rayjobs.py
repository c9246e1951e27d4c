"""The steps of the demo with RayJobs: one fails and says why, one brings its GPU workers and leaves none."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from demo.errors import DemoError
from demo.pods import ray_pods, without_ages, workers
from demo.steps import CLUSTER, REPOSITORY, Stage

_EXAMPLE = REPOSITORY / "examples" / "rayjob.yaml"
_PUBLISHED, _ON_THE_NODES = "docker.io/rayproject/ray:", "localhost/rayfleet/ray:"
_FAILS = 'python -c "raise SystemExit(3)"'

Json = dict[str, Any]


def example() -> Json:
    """The example with the image that is on the nodes."""
    found: Json = yaml.safe_load(_EXAMPLE.read_text().replace(_PUBLISHED, _ON_THE_NODES))
    return found


def failing() -> Json:
    """A job whose program exits with 3, on the cluster that the demo has anyway."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "failing-job"},
        "spec": {
            "entrypoint": _FAILS,
            "submissionMode": "HTTPMode",
            "clusterSelector": {"ray.io/cluster": CLUSTER},
        },
    }


def show_verdict(stage: Stage) -> None:
    """Run a job that fails, and show whose fault that was."""
    name = _create(stage, failing())
    stage.tell.show(f"$ kubectl create -f -    (RayJob {name}: {_FAILS}, on {CLUSTER})")
    verdict = _ended(stage, name, "Failed").get("verdict") or {}
    stage.tell.show(f"$ kubectl get rayjob {name} --output jsonpath='{{.status.verdict}}'")
    evidence = "; ".join(verdict.get("evidence") or ())
    stage.tell.show(f"{verdict.get('category')}, {verdict.get('cause')}: {evidence}")
    if verdict.get("category") != "application":
        raise DemoError("the program has failed, but the verdict does not say so")
    _delete(stage, name)


def run_job(stage: Stage) -> None:
    """Run the example to its end; only the RayJob is left."""
    name = _create(stage, example())
    stage.tell.show("$ kubectl apply -f examples/rayjob.yaml    (with the image on the nodes)")
    shown: set[str] = set()

    def show_workers(status: Mapping[str, Any]) -> None:
        cluster = status.get("rayClusterName")
        for pod in workers(stage.kubectl, cluster) if cluster else ():
            if pod.container_id and pod.uid not in shown:
                shown.add(pod.uid)
                stage.tell.show(f"{pod.name} runs on {pod.node}")

    status = _ended(stage, name, "Complete", show_workers)
    cluster = str(status["rayClusterName"])
    gone = f"the pods of {cluster} to be gone"
    stage.patience.wait_for(
        gone, lambda: not ray_pods(stage.kubectl, cluster), lambda: _standing(stage, name)
    )
    stage.tell.show("$ kubectl get rayjobs --output wide")
    stage.tell.show(stage.kubectl("get", "rayjobs", "--output=wide"))
    if not status.get("gpuSeconds"):
        raise DemoError("the job has ended, but no GPU was held for it")
    _delete(stage, name)


def _create(stage: Stage, manifest: Json) -> str:
    """Create the job, anew if an earlier try has left it; return its name."""
    name = str(manifest["metadata"]["name"])
    _delete(stage, name)
    stage.kubectl("create", "--filename=-", given=json.dumps(manifest))
    return name


def _delete(stage: Stage, name: str) -> None:
    stage.kubectl("delete", "rayjob", name, "--ignore-not-found", "--timeout=60s")


def _ended(
    stage: Stage, name: str, state: str, look: Callable[[Mapping[str, Any]], None] = lambda _: None
) -> Mapping[str, Any]:
    """The status of the job once it has ended so. Raises DemoError if it ends in another way."""

    def over() -> Mapping[str, Any] | None:
        status = _status(stage, name)
        look(status)
        there = status.get("jobDeploymentStatus")
        if there in {"Complete", "Failed", "ValidationFailed"} and there != state:
            raise DemoError(f"RayJob {name} is {there}: {status.get('message')}")
        return status if there == state else None

    return stage.patience.wait_for(f"RayJob {name} to be {state}", over, lambda: _standing(stage, name))


def _standing(stage: Stage, name: str) -> str:
    """What the job waits for, and the state of all Ray pods."""
    conditions = _status(stage, name).get("conditions") or ()
    waits = next((c["message"] for c in conditions if c["type"] == "Progressing"), "")
    listed = stage.kubectl.attempt("get", "pods", "--selector=ray.io/cluster", "--no-headers")
    return "; ".join(part for part in (waits, without_ages(listed)) if part)


def _status(stage: Stage, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(stage.kubectl("get", "rayjob", name, "--output=json"))
    return found.get("status") or {}
