"""An API server with one RayCluster: it merges status patches as Kubernetes does, and takes events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from rayfleet.autoscaling.limits import ScalingLimits
from rayfleet.engine.children import stores_for
from rayfleet.engine.events import EventRecorder
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.kind import AnyKind
from rayfleet.engine.memory import Remembered
from rayfleet.engine.outcome import Outcome
from rayfleet.engine.reporter import Pass, Reporter
from rayfleet.errors import ApiFailure
from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.children import CHILDREN, RAYCLUSTERS
from rayfleet.kinds.raycluster.kind import decided, raycluster
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens
from rayfleet.kube.cache import RootStore
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.objects.roots import Root, root_from_object
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
    """The methods that fail."""
    server: Wire = field(default_factory=lambda: Wire([]))

    @property
    def cluster(self) -> Root:
        return root_from_object(self.object, "RayCluster")

    def write(self) -> None:
        """Somebody else writes: the object has changed afterwards."""
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
    clusters: RootStore
    kind: AnyKind
    executor: Executor
    recorder: EventRecorder
    reporter: Reporter

    async def report(
        self,
        seen: Snapshot,
        decided: Plan,
        memory: Remembered[Any] | None = None,
        outcomes: Sequence[Outcome] = (),
        observe: Callable[[], tuple[Root, Snapshot] | None] = lambda: None,
    ) -> ApiFailure | None:
        """What a pass with this result reports."""
        remembered = Remembered(UID, None) if memory is None else memory
        done = Pass(self.kind, seen.cluster, seen, decided, outcomes, remembered, seen.now)
        return await self.reporter.report(done, observe)


@asynccontextmanager
async def reporting(spec: Mapping[str, Any], name: str = "demo") -> AsyncIterator[Reporting]:
    """All of it, until the block ends."""
    metadata = {"namespace": "ml", "name": name, "uid": UID, "resourceVersion": "1000", "generation": 1}
    metadata["creationTimestamp"] = "2027-01-15T07:00:00Z"
    api, clock = KeptCluster({"metadata": metadata, "spec": spec}), Clock()
    stores = stores_for((RAYCLUSTERS,), CHILDREN)
    clusters, pods, services = stores.roots["RayCluster"], *stores.children.values()
    async with wire(api.answer) as server, KubeClient(Credentials(server.url)) as client:
        api.server = server
        gate = FairGate(4)
        heads = RayHeads(
            Poller(lambda _: None), ClusterTokens(client), PodAddresses(client), may_write=lambda: 0.0
        )
        nothing: Any = None
        ledger = GpuLedger(tuple, lambda: 0.0)
        sources = ScalingSources(heads, nothing, nothing, ledger, ScalingLimits())
        kind = raycluster(client, View(clusters, pods, services, sources), lambda _: None, decided)
        executor = Executor(client, gate, stores)
        recorder = EventRecorder(client, gate, "operator-1", clock)
        reporter = Reporter(client, stores, gate, executor, recorder, clock)
        clusters.apply(api.object)
        yield Reporting(api, clock, clusters, kind, executor, recorder, reporter)
