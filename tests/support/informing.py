"""A running informer for tests, and the objects that it should follow."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rayfleet.api.names import PLURAL
from rayfleet.engine.children import Child, Stores, Wakes, followed, stores_for
from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kinds.raycluster.children import CHILDREN, RAYCLUSTERS
from rayfleet.kube.cache import Store
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.kubeconfig import from_kubeconfig
from rayfleet.kube.informer import Clockwork, Health, Informer
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.resources import PODS, SERVICES
from rayfleet.kube.objects.services import Service

POLL_S = 0.02


async def until(what: str, look: Callable[[], object], *, seconds: float = 15.0) -> None:
    """Wait until `look` is true; fails, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"timed out after {seconds:g} s waiting for {what}"
        await asyncio.sleep(POLL_S)


def client_of(kubeconfig: Path) -> KubeClient:
    return KubeClient(from_kubeconfig([kubeconfig]))


@dataclass
class Following:
    """An informer with its stores, and every key that it woke."""

    informer: Informer
    stores: Stores
    woken: list[Key] = field(default_factory=list)

    @property
    def pods(self) -> Store[Pod]:
        return self.stores.children[PODS]

    @property
    def services(self) -> Store[Service]:
        return self.stores.children[SERVICES]

    def pod_names(self, key: Key) -> set[str]:
        return {pod.name for pod in self.pods.owned_by(key)}

    @property
    def of_pods(self) -> Health:
        """The health of the first reflector of pods."""
        return self.informer.health[0]


def _listed(informer: Informer) -> bool:
    return all(each.synced for each in informer.health if each.kind != PLURAL)


@asynccontextmanager
async def following(
    kubeconfig: Path,
    *namespaces: str,
    silence: float = 90.0,
    children: Collection[Child[Any]] = CHILDREN,
) -> AsyncIterator[Following]:
    """An informer that has listed, until the end of the block."""
    stores, woken, served = stores_for((RAYCLUSTERS,), children), list[Key](), asyncio.Event()
    clockwork = Clockwork(time.monotonic, jitter=lambda: 0.0, silence=silence)
    async with client_of(kubeconfig) as client:
        wakes = Wakes(woken.append, woken.append, woken.append)
        what = tuple(followed((RAYCLUSTERS,), children, stores, wakes))
        informer = Informer(client, namespaces, what, clockwork=clockwork)
        running = asyncio.create_task(informer.run(served))
        try:
            await until("the lists of all children", lambda: _listed(informer), seconds=20)
            yield Following(informer, stores, woken)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@dataclass
class Objects:
    """The objects of one namespace, written with another client than the informer's."""

    client: KubeClient
    namespace: str

    async def begin(self) -> None:
        """Make the namespace, and wait until pods may be created in it."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        _done(await self.client.create("/api/v1/namespaces", body))
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        deadline = time.monotonic() + 30
        while isinstance(answer := await self.client.get(account), ApiFailure):
            assert policy(answer) is Policy.GONE, answer
            assert time.monotonic() < deadline, "timed out after 30 s waiting for the service account"
            await asyncio.sleep(POLL_S)

    async def create_pod(self, name: str, cluster: str | None = "demo", *, text: str = "x") -> dict[str, Any]:
        """A pod of `cluster`, or of none; `text` is an environment variable."""
        spec = {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "schedulerName": "nobody",
            "containers": [{"name": "ray", "image": "x", "env": [{"name": "TEXT", "value": text}]}],
        }
        return await self._create("pods", "Pod", name, cluster, spec)

    async def create_service(self, name: str, cluster: str = "demo") -> dict[str, Any]:
        spec = {"clusterIP": "None", "ports": [{"name": "gcs", "port": 6379}]}
        return await self._create("services", "Service", name, cluster, spec)

    async def mark_pod_failed(self, name: str) -> None:
        """Report a pod as failed, as a kubelet does."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        _done(await self.client.patch_status(path, {"status": {"phase": "Failed"}}))

    async def delete(self, obj: Mapping[str, Any], collection: str = "pods") -> None:
        metadata = obj["metadata"]
        path = f"/api/v1/namespaces/{self.namespace}/{collection}/{metadata['name']}"
        _done(await self.client.delete(path, metadata["uid"], grace=0))

    async def _create(
        self, collection: str, kind: str, name: str, cluster: str | None, spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": name}
        if cluster is not None:
            owner = {
                "apiVersion": "ray.io/v1",
                "kind": "RayCluster",
                "name": cluster,
                "uid": f"uid-{cluster}",
            }
            metadata["labels"] = {"ray.io/cluster": cluster}
            metadata["ownerReferences"] = [{**owner, "controller": True}]
        body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}
        return _done(await self.client.create(f"/api/v1/namespaces/{self.namespace}/{collection}", body))


def _done(answer: dict[str, Any] | ApiFailure) -> dict[str, Any]:
    assert not isinstance(answer, ApiFailure), answer
    return answer
