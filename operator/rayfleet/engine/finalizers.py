"""Adds or removes one finalizer of a root as it is at that moment, and changes nothing else."""

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias

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
    failure = await _changed(client, resource, store, root, partial(_without, verb.finalizer))
    if failure is not None and failure.status == HTTPStatus.FORBIDDEN:
        failure = replace(failure, message=f"{failure.message}; {verb.remedy}")
    return failure


async def put_on(
    client: KubeClient, resource: Resource, store: RootStore, root: Root, finalizer: str
) -> ApiFailure | None:
    """Add the finalizer. Return the failure, or None once it is there or the object is gone."""
    return await _changed(client, resource, store, root, partial(_with, finalizer))


_Operations: TypeAlias = list[dict[str, Any]]


def _without(finalizer: str, there: Sequence[str]) -> _Operations:
    if finalizer not in there:
        return []
    place = f"/metadata/finalizers/{there.index(finalizer)}"
    return [{"op": "test", "path": place, "value": finalizer}, {"op": "remove", "path": place}]


def _with(finalizer: str, there: Sequence[str]) -> _Operations:
    if finalizer in there:
        return []
    place = "/metadata/finalizers"
    if there:
        return [{"op": "add", "path": f"{place}/-", "value": finalizer}]
    return [{"op": "add", "path": place, "value": [finalizer]}]


async def _changed(
    client: KubeClient,
    resource: Resource,
    store: RootStore,
    root: Root,
    change: Callable[[Sequence[str]], _Operations],
) -> ApiFailure | None:
    failure = None
    for _ in range(_ATTEMPTS):
        failure = await _attempt(client, resource, store, root, change)
        if failure is None or failure.status not in _WRITTEN_MEANWHILE:
            break
    return failure


async def _attempt(
    client: KubeClient,
    resource: Resource,
    store: RootStore,
    root: Root,
    change: Callable[[Sequence[str]], _Operations],
) -> ApiFailure | None:
    path = resource.path(root.key.namespace, root.key.name)
    live = await client.get(path)
    if isinstance(live, ApiFailure):
        return None if is_gone(live, resource.plural, root.key.name) else live
    metadata = live["metadata"]
    operations = change(metadata.get("finalizers") or [])
    if metadata["uid"] != root.uid or not operations:
        return None
    same = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    answer = await client.request(
        "json-patch", path, params={"fieldManager": FIELD_MANAGER}, body=[same, *operations]
    )
    if isinstance(answer, ApiFailure):
        return None if is_gone(answer, resource.plural, root.key.name) else answer
    store.apply(answer)
    return None
