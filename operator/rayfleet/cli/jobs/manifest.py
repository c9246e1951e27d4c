"""The RayJob that a command line asks for, as plain JSON. Pure."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

import yaml
from msgspec import Struct

from rayfleet.api.names import API_VERSION, RAYJOB_KIND, Label

RAY_VERSION: Final = "2.60.0"
"""Of the images that are used unless one is named."""
IMAGE: Final = f"docker.io/rayproject/ray:{RAY_VERSION}"
LOG_SECONDS: Final = 60
"""How long the cluster stays after the end, so that the log can be read to its last line."""
UPLOAD_SECONDS: Final = 3600
"""How long the user's machine has to send what the job needs: without it the cluster would wait for ever."""
LONGEST_PREFIX: Final = 41
"""Characters before the six that the API server adds; a RayJob's name has at most 47."""
HEAD_CPUS, HEAD_MEMORY = "2", "4Gi"
GROUP: Final = "workers"
_GPU: Final = "nvidia.com/gpu"
_KEPT: Final = ("labels", "annotations")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_STARTERS: Final = frozenset(
    {"python", "python3", "bash", "sh", "uv", "run", "poetry", "torchrun", "env", "exec"}
)
"""Words of a command that say how, and not what."""


class ClusterShape(Struct, frozen=True):
    """The cluster that is made if no manifest says how: a head, and workers that come with the queue."""

    image: str = ""
    """Of the head and the workers; Ray's own if it is empty."""
    gpus: int = 0
    """Of each worker."""
    cpus: str = "2"
    memory: str = "8Gi"
    workers: int = 1
    """At most. Without any, everything runs on the head."""
    min_workers: int = 0


class Wishes(Struct, frozen=True):
    """What the command line says about the job itself; None and nothing leave a manifest as it is."""

    entrypoint: str = ""
    name: str | None = None
    namespace: str | None = None
    runtime_env: Mapping[str, Any] | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None
    retries: int | None = None
    keep: bool = False
    uploads: bool = False
    """The user's machine sends files to the head first, and then the job."""


def on_new_cluster(shape: ClusterShape) -> dict[str, Any]:
    """A RayJob with a cluster of this shape."""
    return _job({"rayClusterSpec": _cluster(shape), **_ends_by_itself()})


def on_named_cluster(name: str) -> dict[str, Any]:
    """A RayJob on a cluster that exists."""
    return _job({"clusterSelector": {Label.CLUSTER: name}})


def from_cluster(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """A RayJob on a new cluster like that of a manifest."""
    metadata = _metadata(cluster)
    return _job({"rayClusterSpec": cluster.get("spec"), **_ends_by_itself()}, metadata)


def from_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """A RayJob like that of a manifest."""
    spec = job.get("spec")
    return {**_job({}, _metadata(job)), "spec": dict(spec) if isinstance(spec, Mapping) else spec}


def wished(job: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    """`job` with what the command line says about it; a manifest's name becomes the start of the name."""
    metadata, spec = dict(job["metadata"]), dict(job["spec"])
    if wishes.entrypoint:
        spec["entrypoint"] = wishes.entrypoint
    if wishes.name is not None:
        metadata = {"name": wishes.name, **{k: v for k, v in metadata.items() if k != "name"}}
    else:
        start = metadata.pop("name", "") or prefix_of(str(spec.get("entrypoint") or ""))
        metadata = {"generateName": f"{start[:LONGEST_PREFIX].rstrip('-')}-", **metadata}
    if wishes.namespace is not None:
        metadata["namespace"] = wishes.namespace
    if wishes.runtime_env:
        spec["runtimeEnvYAML"] = yaml.safe_dump(dict(wishes.runtime_env), sort_keys=False, allow_unicode=True)
    numbers = {"entrypointNumCpus": wishes.num_cpus, "entrypointNumGpus": wishes.num_gpus}
    spec |= {field: number for field, number in numbers.items() if number is not None}
    if wishes.retries:
        spec |= {"backoffLimit": wishes.retries, "retryPolicy": spec.get("retryPolicy") or {}}
    if wishes.keep:
        spec |= {"shutdownAfterJobFinishes": False, "ttlSecondsAfterFinished": 0}
    if wishes.uploads:
        spec |= {"submissionMode": "InteractiveMode", "preRunningDeadlineSeconds": UPLOAD_SECONDS}
    return {**job, "metadata": metadata, "spec": spec}


def prefix_of(entrypoint: str) -> str:
    """The start of a name for a job with this command: `train` for `python -u jobs/train.py --fast`."""
    for word in entrypoint.split():
        name = PurePath(word.strip("'\"")).stem.lower()
        name = re.sub(r"[^a-z0-9]+", "-", name).strip("-").lstrip("0123456789-")
        if name and name not in _STARTERS and not word.startswith("-") and "=" not in word:
            return name
    return "job"


def _job(spec: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": RAYJOB_KIND,
        "metadata": dict(metadata or {}),
        "spec": {"entrypoint": "", "submissionMode": "HTTPMode", **spec},
    }


def _ends_by_itself() -> dict[str, Any]:
    return {"shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": LOG_SECONDS}


def _metadata(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What of a manifest's metadata is the user's own: not what a cluster has added to it."""
    given = manifest.get("metadata")
    given = given if isinstance(given, Mapping) else {}
    metadata: dict[str, Any] = {"name": str(given["name"])} if given.get("name") else {}
    for field in _KEPT:
        values = given.get(field)
        if isinstance(values, Mapping) and (kept := {k: v for k, v in values.items() if k != _LAST_APPLIED}):
            metadata[field] = kept
    return metadata


def _cluster(shape: ClusterShape) -> dict[str, Any]:
    version = {} if shape.image else {"rayVersion": RAY_VERSION}
    head_image = shape.image or IMAGE
    requests = {"cpu": HEAD_CPUS, "memory": HEAD_MEMORY}
    head: dict[str, Any] = {"template": _pod("ray-head", head_image, requests, {"memory": HEAD_MEMORY})}
    if not shape.workers:
        return {**version, "headGroupSpec": head}
    # No task runs on the head: it has the cluster's own work, and the driver.
    head = {"rayStartParams": {"num-cpus": "0"}, **head}
    gpus = {_GPU: shape.gpus} if shape.gpus else {}
    image = shape.image or (f"{IMAGE}-gpu" if shape.gpus else IMAGE)
    requests, limits = {"cpu": shape.cpus, "memory": shape.memory}, {"memory": shape.memory, **gpus}
    workers = {
        "groupName": GROUP,
        "replicas": shape.min_workers,
        "minReplicas": shape.min_workers,
        "maxReplicas": shape.workers,
        "template": _pod("ray-worker", image, requests, limits),
    }
    return {
        **version,
        "enableInTreeAutoscaling": True,
        "headGroupSpec": head,
        "workerGroupSpecs": [workers],
    }


def _pod(name: str, image: str, requests: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    container = {"name": name, "image": image, "resources": {"requests": requests, "limits": limits}}
    return {"spec": {"containers": [container]}}
