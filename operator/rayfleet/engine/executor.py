"""The executor: actions in, outcomes out.

Every answer goes straight into the cache: "Answers enter the cache before their events", kube/cache/store.py.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from rayfleet.api.names import Annotation
from rayfleet.engine.actions import (
    Action,
    Create,
    Delete,
    Handled,
    JsonPatch,
    Patch,
    PatchRoot,
    PatchStatus,
    PutOnFinalizer,
    StagedPlan,
    TakeOffFinalizer,
)
from rayfleet.engine.children import Stores
from rayfleet.engine.finalizers import put_on, take_off
from rayfleet.engine.gate import FairGate
from rayfleet.engine.kind import AnyKind
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Succeeded, outcome_of
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kube.client.client import FIELD_MANAGER, KubeClient
from rayfleet.kube.objects.keys import JsonObject, controller_of
from rayfleet.kube.objects.resources import Resource
from rayfleet.kube.objects.roots import Root


class Executor:
    """Carries out plans through the API server, at most `gate.limit` writes at a time over all plans.

    `on_outcome` is called with the outcome of each action that was tried.
    """

    def __init__(
        self,
        client: KubeClient,
        gate: FairGate,
        stores: Stores,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._gate = gate
        self._stores = stores
        self._on_outcome = on_outcome

    async def run(self, kind: AnyKind, root: Root, plan: StagedPlan) -> tuple[Outcome, ...]:
        """Carry out `plan`: `first` at once, and stage after stage while each succeeds, then `last`."""
        if plan.first:
            first, stages = await asyncio.gather(
                self._all(kind, root, plan.first), self._stages(kind, root, plan.stages)
            )
        else:
            first, stages = [], await self._stages(kind, root, plan.stages)
        last = [await self._one(kind, root, action, set()) for action in plan.last]
        return (*first, *stages, *last)

    async def patch_status(
        self, resource: Resource, root: Root, fields: Mapping[str, Any]
    ) -> ApiFailure | None:
        """Patch the status of this object (by uid), only if nobody has written to it since it was read."""
        guard = {"uid": root.uid, "resourceVersion": str(root.resource_version)}
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": guard,
            "status": fields,
        }
        path = resource.path(root.key.namespace, root.key.name)
        answer = await self._client.patch_status(f"{path}/status", body)
        if isinstance(answer, ApiFailure):
            return answer
        self._stores.roots[resource.kind].apply(answer)
        return None

    async def _stages(self, kind: AnyKind, root: Root, stages: Iterable[Sequence[Action]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for stage in stages:
            if all(isinstance(outcome, Succeeded) for outcome in outcomes):
                outcomes += await self._all(kind, root, stage)
            else:
                outcomes += map(NotTried, stage)
        return outcomes

    async def _all(self, kind: AnyKind, root: Root, actions: Sequence[Action]) -> list[Outcome]:
        broken: set[str] = set()
        if len(actions) == 1:
            return [await self._one(kind, root, actions[0], broken)]
        return list(await asyncio.gather(*(self._one(kind, root, action, broken) for action in actions)))

    async def _one(self, kind: AnyKind, root: Root, action: Action, broken: set[str]) -> Outcome:
        """`broken` are the batches in which a create has failed: their other creates are not sent."""
        verb = action.verb
        if isinstance(verb, Handled) and not verb.takes_turn:
            return await kind.handlers[type(action)](root, action)
        batch = verb.batch if isinstance(verb, Create) else ""
        async with self._gate.turn(root.key):
            if batch in broken:
                return NotTried(action)
            outcome = await self._send(kind, root, action)
            self._on_outcome(outcome)
            if batch and not isinstance(outcome, Succeeded):
                broken.add(batch)
            return outcome

    async def _send(self, kind: AnyKind, root: Root, action: Action) -> Outcome:
        match action.verb:
            case Create() as create:
                return await self._create(root, action, create)
            case Delete() as delete:
                return outcome_of(action, await self._delete(root, delete))
            case Patch() as patch:
                return outcome_of(action, await self._patch(root, patch))
            case JsonPatch() as json_patch:
                return outcome_of(action, await self._json_patch(root, json_patch))
            case PatchRoot() as patch_root:
                return await self._patch_root(kind.resource, root, action, patch_root)
            case PatchStatus(fields=fields):
                return outcome_of(action, await self.patch_status(kind.resource, root, fields))
            case PutOnFinalizer(finalizer=name):
                store = self._stores.roots[kind.resource.kind]
                failure = await put_on(self._client, kind.resource, store, root, name)
                return outcome_of(action, failure)
            case TakeOffFinalizer() as finalizer:
                store = self._stores.roots[kind.resource.kind]
                failure = await take_off(self._client, kind.resource, store, root, finalizer)
                return outcome_of(action, failure)
            case _:
                return await kind.handlers[type(action)](root, action)

    async def _create(self, root: Root, action: Action, verb: Create) -> Outcome:
        resource, namespace = verb.resource, root.key.namespace
        warnings: list[str] = []
        answer = await self._client.create(resource.collection(namespace), verb.body, warn=warnings.append)
        born = not isinstance(answer, ApiFailure)
        if isinstance(answer, ApiFailure) and policy(answer) is Policy.CONFLICT:
            there = await self._client.get(resource.path(namespace, verb.name))
            if isinstance(there, ApiFailure):
                return Failed(action, there)
            answer = there if _is_ours(there, root, verb.template_hash) else _taken(answer, root, verb)
        if isinstance(answer, ApiFailure):
            return Failed(action, answer)
        self._stores.keep(resource, answer, born=born)
        return Succeeded(action, tuple(warnings))

    async def _delete(self, root: Root, verb: Delete) -> ApiFailure | None:
        path = verb.resource.path(root.key.namespace, verb.name)
        answer = await self._client.delete(path, verb.uid)
        if isinstance(answer, ApiFailure) and policy(answer) is Policy.CONFLICT:
            # If the name belongs to another object by now, ours is already deleted.
            there = await self._client.get(path)
            if not isinstance(there, ApiFailure):
                return answer if there["metadata"]["uid"] == verb.uid and not _is_going(there) else None
            answer = there
        if isinstance(answer, ApiFailure):
            return None if is_gone(answer, verb.resource.plural, verb.name) else answer
        if answer.get("kind") == verb.resource.kind and _is_going(answer):
            self._stores.keep(verb.resource, answer)
        return None

    async def _patch(self, root: Root, verb: Patch) -> ApiFailure | None:
        path = verb.resource.path(root.key.namespace, verb.name)
        body = {**verb.body, "metadata": {**verb.body.get("metadata", {}), "uid": verb.uid}}
        answer = await self._client.request("patch", path, params={"fieldManager": FIELD_MANAGER}, body=body)
        if isinstance(answer, ApiFailure):
            return answer
        self._stores.keep(verb.resource, answer)
        return None

    async def _json_patch(self, root: Root, verb: JsonPatch) -> ApiFailure | None:
        path = verb.resource.path(root.key.namespace, verb.name)
        same: Mapping[str, Any] = {"op": "test", "path": "/metadata/uid", "value": verb.uid}
        given = {"fieldManager": FIELD_MANAGER}
        answer = await self._client.request("json-patch", path, params=given, body=(same, *verb.operations))
        if isinstance(answer, ApiFailure):
            return answer
        self._stores.keep(verb.resource, answer)
        return None

    async def _patch_root(self, resource: Resource, root: Root, action: Action, verb: PatchRoot) -> Outcome:
        path, store = resource.path(root.key.namespace, root.key.name), self._stores.roots[resource.kind]
        version = str(root.resource_version)
        test: Mapping[str, Any] = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        given = {"fieldManager": FIELD_MANAGER}
        answer = await self._client.request("json-patch", path, params=given, body=(test, *verb.operations))
        if isinstance(answer, ApiFailure):
            live = await self._client.get(path)
            if not isinstance(live, ApiFailure) and store.apply(live):
                # A test of the patch failed because somebody wrote first: the next pass decides again.
                return NotTried(action)
            return Failed(action, answer)
        store.apply(answer)
        return Succeeded(action)


def _is_going(obj: JsonObject) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _is_ours(obj: JsonObject, root: Root, template_hash: str) -> bool:
    """Whether an object is the one that we meant to create: of this root, from the same template."""
    owner = controller_of(obj["metadata"])
    annotations = obj["metadata"].get("annotations") or {}
    same = not template_hash or annotations.get(Annotation.TEMPLATE_HASH) == template_hash
    return owner is not None and owner.uid == root.uid and same and not _is_going(obj)


def _taken(conflict: ApiFailure, root: Root, verb: Create) -> ApiFailure:
    if not verb.remedy:
        return conflict
    message = f"{verb.resource.kind} {verb.name} exists and is not this {root.key.noun}'s: {verb.remedy}"
    return replace(conflict, message=message)
