"""The executor: actions in, outcomes out. Every answer goes straight into the cache."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rayfleet.api.names import KIND
from rayfleet.engine.auth_secret import create_auth_secret
from rayfleet.engine.finalizers import remove_finalizer
from rayfleet.engine.gate import FairGate
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kinds.raycluster.plan import (
    Action,
    AdvanceHeadEpoch,
    CreatePod,
    CreateSecret,
    CreateService,
    DeletePod,
    DrainNode,
    Outcome,
    Plan,
    RemoveFinalizer,
    ResizeGroups,
    SelectHead,
)
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kube.cache import ClusterStore, Store
from rayfleet.kube.client import paths
from rayfleet.kube.client.client import FIELD_MANAGER, KubeClient
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.roots import Cluster
from rayfleet.kube.objects.services import Service, service_from_object


class Executor:
    """Carries out plans through the API server, `gate.limit` writes at a time over all clusters.

    `on_outcome` is told of each action that was tried.
    """

    def __init__(
        self,
        client: KubeClient,
        gate: FairGate,
        clusters: ClusterStore,
        pods: Store[Pod],
        services: Store[Service],
        heads: RayHeads,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._gate = gate
        self._clusters = clusters
        self._pods = pods
        self._services = services
        self._heads = heads
        self._on_outcome = on_outcome

    async def run(self, cluster: Cluster, plan: Plan) -> tuple[Outcome, ...]:
        """Carry out `plan`: deletes at once, then stage after stage while each goes well."""
        selects = () if plan.select is None else (plan.select,)
        deletes, drains, stages = await asyncio.gather(
            self._all(cluster, (*plan.deletes, *selects)),
            asyncio.gather(*(self._heads.drain(cluster.key, action) for action in plan.drains)),
            self._stages(cluster, plan.stages),
        )
        last = [await self._one(cluster, plan.resize, set())] if plan.resize is not None else []
        return (*deletes, *drains, *stages, *last)

    async def _stages(self, cluster: Cluster, stages: Iterable[Sequence[Action]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for stage in stages:
            if all(outcome.done for outcome in outcomes):
                outcomes += await self._all(cluster, stage)
            else:
                outcomes += [Outcome(action, tried=False) for action in stage]
        return outcomes

    async def _all(self, cluster: Cluster, actions: Sequence[Action]) -> list[Outcome]:
        broken: set[str] = set()
        return list(await asyncio.gather(*(self._one(cluster, action, broken) for action in actions)))

    async def _one(self, cluster: Cluster, action: Action, broken: set[str]) -> Outcome:
        """`broken` are the groups of this batch in which a create has failed: the rest is not sent."""
        async with self._gate.turn(cluster.key):
            if isinstance(action, CreatePod) and action.group in broken:
                return Outcome(action, tried=False)
            outcome = await self._send(cluster, action)
            self._on_outcome(outcome)
            if isinstance(action, CreatePod) and not outcome.done:
                broken.add(action.group)
            return outcome

    async def _send(self, cluster: Cluster, action: Action) -> Outcome:
        match action:
            case CreatePod():
                return await self._create_pod(cluster, action)
            case DeletePod():
                return await self._delete_pod(cluster, action)
            case CreateService():
                return await self._create_service(cluster, action)
            case SelectHead():
                return await self._select_head(cluster, action)
            case CreateSecret():
                return await create_auth_secret(self._client, cluster, action)
            case DrainNode():
                return await self._heads.drain(cluster.key, action)
            case ResizeGroups():
                return await self._resize(cluster, action)
            case RemoveFinalizer():
                return await remove_finalizer(self._client, self._clusters, cluster, action)
            case AdvanceHeadEpoch():
                failure = await self.patch_status(cluster, {"headEpoch": action.epoch})
                return Outcome(action, failure)

    async def _create_pod(self, cluster: Cluster, action: CreatePod) -> Outcome:
        collection = paths.pods(cluster.key.namespace)
        warnings: list[str] = []
        answer = await self._client.create(collection, action.body, warn=warnings.append)
        if isinstance(answer, ApiFailure) and policy(answer) is Policy.CONFLICT:
            answer = await self._if_ours(
                f"{collection}/{action.name}",
                answer,
                lambda obj: _is_same_pod(pod_from_object(obj), cluster, action),
            )
        if isinstance(answer, ApiFailure):
            return Outcome(action, answer)
        pod = pod_from_object(answer)
        self._pods.apply(pod)
        return Outcome(action, pod=pod, warnings=tuple(warnings))

    async def _create_service(self, cluster: Cluster, action: CreateService) -> Outcome:
        collection = paths.services(cluster.key.namespace)
        answer = await self._client.create(collection, action.body)
        if isinstance(answer, ApiFailure) and policy(answer) is Policy.CONFLICT:
            answer = await self._if_ours(
                f"{collection}/{action.name}", answer, lambda obj: _owned(service_from_object(obj), cluster)
            )
        if isinstance(answer, ApiFailure):
            if policy(answer) is Policy.CONFLICT:
                words = (
                    f"Service {action.name} is there and is not this cluster's: remove it, or name another"
                )
                answer = replace(answer, message=f"{words} in spec.headGroupSpec.headService")
            return Outcome(action, answer)
        self._services.apply(service_from_object(answer))
        return Outcome(action)

    async def _select_head(self, cluster: Cluster, action: SelectHead) -> Outcome:
        selector = {**action.selector, **dict.fromkeys(action.dropped)}
        patch = {"metadata": {"uid": action.uid}, "spec": {"selector": selector}}
        path = f"{paths.services(cluster.key.namespace)}/{action.name}"
        answer = await self._client.request("patch", path, params={"fieldManager": FIELD_MANAGER}, body=patch)
        if isinstance(answer, ApiFailure):
            return Outcome(action, answer)
        self._services.apply(service_from_object(answer))
        return Outcome(action)

    async def _if_ours(
        self, path: str, conflict: ApiFailure, ours: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any] | ApiFailure:
        """The object whose name was taken, if it is the one we meant to make."""
        answer = await self._client.get(path)
        if isinstance(answer, ApiFailure):
            return answer
        return answer if ours(answer) else conflict

    async def _delete_pod(self, cluster: Cluster, action: DeletePod) -> Outcome:
        path = f"{paths.pods(cluster.key.namespace)}/{action.name}"
        answer = await self._client.delete(path, action.uid)
        if isinstance(answer, ApiFailure) and policy(answer) is Policy.CONFLICT:
            # Its name may belong to another pod by now: then what was to be deleted is.
            there = await self._client.get(path)
            if not isinstance(there, ApiFailure):
                pod = pod_from_object(there)
                return Outcome(action, answer if pod.uid == action.uid and not pod.deleting else None)
            answer = there
        if isinstance(answer, ApiFailure):
            return Outcome(action, None if is_gone(answer, "pods", action.name) else answer)
        if answer.get("kind") == "Pod":
            pod = pod_from_object(answer)
            if pod.deleting:
                self._pods.apply(pod)
        return Outcome(action)

    async def _resize(self, cluster: Cluster, action: ResizeGroups) -> Outcome:
        path = paths.cluster(cluster.key)
        version = str(cluster.resource_version)
        patch: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
        for place, group, replicas in action.changes:
            at = f"/spec/workerGroupSpecs/{place}"
            patch.append({"op": "test", "path": f"{at}/groupName", "value": group})
            patch.append({"op": "add", "path": f"{at}/replicas", "value": replicas})
        given = {"fieldManager": FIELD_MANAGER}
        answer = await self._client.request("json-patch", path, params=given, body=patch)
        if isinstance(answer, ApiFailure):
            live = await self._client.get(path)
            if not isinstance(live, ApiFailure) and self._clusters.apply(live):
                # A test of the patch has failed: somebody has written first, and all is decided anew.
                return Outcome(action, tried=False)
            return Outcome(action, answer)
        self._clusters.apply(answer)
        return Outcome(action)

    async def patch_status(self, cluster: Cluster, patch: Mapping[str, Any]) -> ApiFailure | None:
        """Patch the status of this very object, and only if nobody has written to it since it was read."""
        guard = {"uid": cluster.uid, "resourceVersion": str(cluster.resource_version)}
        body = {"apiVersion": "ray.io/v1", "kind": KIND, "metadata": guard, "status": patch}
        answer = await self._client.patch_status(paths.cluster_status(cluster.key), body)
        if isinstance(answer, ApiFailure):
            return answer
        self._clusters.apply(answer)
        return None


def _owned(child: Pod | Service, cluster: Cluster) -> bool:
    return child.owner is not None and child.owner.uid == cluster.uid and not child.deleting


def _is_same_pod(pod: Pod, cluster: Cluster, action: CreatePod) -> bool:
    return _owned(pod, cluster) and pod.template_hash == action.template_hash
