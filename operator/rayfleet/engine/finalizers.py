"""Removes one finalizer from a root as it is at that moment, and changes nothing else."""

from http import HTTPStatus
from typing import Any

from msgspec.structs import replace

from rayfleet.engine.actions import TakeOffFinalizer
from rayfleet.errors import ApiFailure, is_gone
from rayfleet.kube.cache import RootStore
from rayfleet.kube.client.client import FIELD_MANAGER, KubeClient
from rayfleet.kube.objects.resources import Resource
from rayfleet.kube.objects.roots import Root

_WRITTEN_MEANWHILE = {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
"""The answers to a patch whose tests fail."""
_ATTEMPTS = 3
"""How often to try while others write to the object at the same time."""


async def take_off(
    client: KubeClient, resource: Resource, store: RootStore, root: Root, verb: TakeOffFinalizer
) -> ApiFailure | None:
    """Remove the finalizer. Return the failure, or None once it is removed or the object is gone."""
    failure = None
    for _ in range(_ATTEMPTS):
        failure = await _attempt(client, resource, store, root, verb.finalizer)
        if failure is None or failure.status not in _WRITTEN_MEANWHILE:
            break
    if failure is not None and failure.status == HTTPStatus.FORBIDDEN:
        failure = replace(failure, message=f"{failure.message}; {verb.remedy}")
    return failure


async def _attempt(
    client: KubeClient, resource: Resource, store: RootStore, root: Root, finalizer: str
) -> ApiFailure | None:
    path = resource.path(root.key.namespace, root.key.name)
    live = await client.get(path)
    if isinstance(live, ApiFailure):
        return None if is_gone(live, resource.plural, root.key.name) else live
    metadata = live["metadata"]
    there = metadata.get("finalizers") or []
    if metadata["uid"] != root.uid or finalizer not in there:
        return None
    place = f"/metadata/finalizers/{there.index(finalizer)}"
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "test", "path": place, "value": finalizer},
        {"op": "remove", "path": place},
    ]
    answer = await client.request("json-patch", path, params={"fieldManager": FIELD_MANAGER}, body=patch)
    if isinstance(answer, ApiFailure):
        return None if is_gone(answer, resource.plural, root.key.name) else answer
    store.apply(answer)
    return None
