"""The RayClusters for measurements: one group of workers, plain containers, no accelerators."""

from typing import Any

GROUP = "workers"
API = "/apis/ray.io/v1"


def collection(namespace: str) -> str:
    return f"{API}/namespaces/{namespace}/rayclusters"


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def raycluster(name: str, workers: int) -> dict[str, Any]:
    """A head and `workers` workers with small requests, so that all of them fit."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": name},
        "spec": {
            "rayVersion": "2.60.0",
            "headGroupSpec": {"rayStartParams": {}, "template": _template("head")},
            "workerGroupSpecs": [group(workers)],
        },
    }


def group(workers: int) -> dict[str, Any]:
    """The group at this size."""
    return {
        "groupName": GROUP,
        "replicas": workers,
        "minReplicas": 0,
        "maxReplicas": 2000,
        "rayStartParams": {},
        "template": _template("worker"),
    }


def scaled(workers: int) -> dict[str, Any]:
    """The merge patch that gives the group this size."""
    return {"spec": {"workerGroupSpecs": [group(workers)]}}


def _template(name: str) -> dict[str, Any]:
    amounts = {"cpu": "500m", "memory": "1Gi"}
    container = {
        "name": f"ray-{name}",
        "image": "rayproject/ray:2.60.0",
        "resources": {"limits": amounts, "requests": amounts},
    }
    return {"spec": {"containers": [container]}}
