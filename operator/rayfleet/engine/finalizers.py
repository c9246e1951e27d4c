"""Taking a finalizer off a RayCluster: of the object as it is at that moment, and nothing else of it."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from rayfleet.api.names import PLURAL
from rayfleet.errors import ApiFailure, is_gone
from rayfleet.kinds.raycluster.plan import Outcome, RemoveFinalizer
from rayfleet.kube.cache import ClusterStore
from rayfleet.kube.client import paths
from rayfleet.kube.client.client import FIELD_MANAGER, KubeClient
from rayfleet.kube.objects.roots import Cluster

_WRITTEN_MEANWHILE = {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Answers to a patch whose tests fail."""
_ATTEMPTS = 3
"""Against others who write to the object at the same time."""
REMEDY = (
    "grant the right to patch RayClusters (finalizers.release in the chart's values), or take it off by hand"
)


async def remove_finalizer(
    client: KubeClient, clusters: ClusterStore, cluster: Cluster, action: RemoveFinalizer
) -> Outcome:
    """Done where it is off, or the object is gone."""
    failure = None
    for _ in range(_ATTEMPTS):
        failure = await _attempt(client, clusters, cluster, action)
        if failure is None or failure.status not in _WRITTEN_MEANWHILE:
            break
    if failure is not None and failure.status == HTTPStatus.FORBIDDEN:
        failure = replace(failure, message=f"{failure.message}; {REMEDY}")
    return Outcome(action, failure)


async def _attempt(
    client: KubeClient, clusters: ClusterStore, cluster: Cluster, action: RemoveFinalizer
) -> ApiFailure | None:
    path = paths.cluster(cluster.key)
    live = await client.get(path)
    if isinstance(live, ApiFailure):
        return None if is_gone(live, PLURAL, cluster.key.name) else live
    metadata = live["metadata"]
    there = metadata.get("finalizers") or []
    if metadata["uid"] != cluster.uid or action.finalizer not in there:
        return None
    place = f"/metadata/finalizers/{there.index(action.finalizer)}"
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "test", "path": place, "value": action.finalizer},
        {"op": "remove", "path": place},
    ]
    answer = await client.request("json-patch", path, params={"fieldManager": FIELD_MANAGER}, body=patch)
    if isinstance(answer, ApiFailure):
        return None if is_gone(answer, PLURAL, cluster.key.name) else answer
    clusters.apply(answer)
    return None
