"""An API server with one RayCluster: it merges status patches as Kubernetes does, and takes events."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from rayfleet.engine.events import EventRecorder
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.reporter import Reporter
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens
from rayfleet.kube.cache import ClusterStore, Store
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Cluster, cluster_from_object
from rayfleet.kube.objects.services import Service
from rayfleet.ray.polling import Poller
from support.builders import UID
from support.wire import Wire, fails, says, wire


@dataclass
class KeptCluster:
    """The object as it is stored, and what was written."""

    object: dict[str, Any]
    statuses: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    refusals: int = 0
    failing: frozenset[str] = frozenset()
    """The methods that it fails at."""
    server: Wire = field(default_factory=lambda: Wire([]))

    @property
    def cluster(self) -> Cluster:
        return cluster_from_object(self.object)

    def write(self) -> None:
        """What somebody else does: the object is another one afterwards."""
        self.object["metadata"]["resourceVersion"] = str(int(self.object["metadata"]["resourceVersion"]) + 1)

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        request = self.server.requests[-1]
        if request.method in self.failing:
            await fails(503, "ServiceUnavailable", "not now")(writer)
        elif request.method == "PATCH":
            await self._patch(orjson.loads(request.body), writer)
        elif "/events" in request.target:
            self.events.append(orjson.loads(request.body))
            await says({"kind": "Event"}, 201)(writer)
        else:
            await says(self.object)(writer)

    async def _patch(self, body: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        metadata = self.object["metadata"]
        given = body.get("metadata") or {}
        if any(given.get(name) not in {None, metadata[name]} for name in ("uid", "resourceVersion")):
            self.refusals += 1
            await fails(409, "Conflict", "the object has been modified")(writer)
            return
        self.statuses.append(dict(body["status"]))
        self.object["status"] = _merged(self.object.get("status") or {}, body["status"])
        self.write()
        await says(self.object)(writer)


def _merged(target: object, patch: object) -> object:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, object] = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Reporting:
    """What writes statuses and events to such a server."""

    api: KeptCluster
    clock: Clock
    clusters: ClusterStore
    executor: Executor
    recorder: EventRecorder
    reporter: Reporter


@asynccontextmanager
async def reporting(spec: Mapping[str, Any], name: str = "demo") -> AsyncIterator[Reporting]:
    """All of it, until the block ends."""
    metadata = {"namespace": "ml", "name": name, "uid": UID, "resourceVersion": "1000", "generation": 1}
    metadata["creationTimestamp"] = "2027-01-15T07:00:00Z"
    api, clock, clusters = KeptCluster({"metadata": metadata, "spec": spec}), Clock(), ClusterStore()
    async with wire(api.answer) as server, KubeClient(Credentials(server.url)) as client:
        api.server = server
        gate = FairGate(4)
        heads = RayHeads(
            Poller(lambda _: None), ClusterTokens(client), PodAddresses(client), may_write=lambda: 0.0
        )
        executor = Executor(client, gate, clusters, Store(Pod), Store(Service), heads)
        recorder = EventRecorder(client, gate, "operator-1", clock)
        reporter = Reporter(client, clusters, gate, executor, recorder, clock)
        clusters.apply(api.object)
        yield Reporting(api, clock, clusters, executor, recorder, reporter)
