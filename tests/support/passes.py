"""Everything that a pass over a cluster needs, around a scripted API server."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from math import inf
from typing import Any

from rayfleet.autoscaling.limits import ScalingLimits
from rayfleet.engine.children import stores_for
from rayfleet.engine.events import EventRecorder
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.reconciler import Reconciler, Surroundings
from rayfleet.engine.reporter import Reporter
from rayfleet.engine.term import Term
from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.fleet.gpu_pods import GpuPods
from rayfleet.fleet.namespace_ceilings import NamespaceCeilingsReader
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.children import CHILDREN, POD_CHILD, RAYCLUSTERS, SERVICE_CHILD
from rayfleet.kinds.raycluster.kind import decided, raycluster
from rayfleet.kinds.raycluster.manifests import head_pod, worker_pods
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.prometheus import PrometheusClient
from rayfleet.kinds.raycluster.sources.sampler import MetricSampler
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.objects import resources
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import pod_from_object
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.polling import Poller
from support.builders import NOW, UID, parsed, spec
from support.builders import raycluster as written
from support.scripted_api import ScriptedApi, scripted_api

KEY = Key("RayCluster", "ml", "demo")
CLUSTER = RAYCLUSTERS.path("ml", "demo")
PODS = resources.PODS.collection("ml")

Object = dict[str, Any]


class Passes:
    """One operator's parts; the test sets what surrounds them."""

    def __init__(self, api: ScriptedApi) -> None:
        self.api = api
        self.seconds_left = inf
        self.term_number = 1
        self.gaps = 0
        self.other_operator: str | None = None
        self.term_began = 10**9
        self.now = NOW
        self.stores = stores_for((RAYCLUSTERS,), CHILDREN)
        self.clusters = self.stores.roots["RayCluster"]
        self.pods, self.services = self.stores.of(POD_CHILD), self.stores.of(SERVICE_CHILD)
        self.client = KubeClient(Credentials(api.url), may_write=lambda: self.term.seconds_left)
        self.term = Term(self.client, (), lambda: self.term_number, lambda: self.seconds_left, (RAYCLUSTERS,))
        self.gate = FairGate(8)
        self.decide: Callable[[Snapshot], Plan] = decided
        """The planner; a test may put another one in its place."""
        poller = Poller(lambda _: None, lambda _: [])
        heads = RayHeads(
            poller,
            ClusterTokens(self.client),
            PodAddresses(self.client),
            may_write=lambda: self.term.seconds_left,
        )
        sampler = MetricSampler({}, PrometheusClient().ask, lambda _: None)
        has_pods = lambda key: bool(self.pods.owned_by(key))  # noqa: E731 - as short as it is
        by_pods = GpuPods(self.clusters, self.pods)
        ledger = GpuLedger(
            self.clusters.keys,
            lambda: self.now,
            has_pods,
            by_pods=by_pods.of_cluster,
            left=by_pods.left,
            owners=self.pods.owners,
        )
        ceilings = NamespaceCeilingsReader(self.client)
        self._sources = heads, sampler, ceilings, ledger
        self.begin(ScalingLimits())

    def begin(self, limits: ScalingLimits) -> None:
        """Build the parts that make passes, without a memory yet."""
        self.view = View(self.clusters, self.pods, self.services, ScalingSources(*self._sources, limits))
        self.executor = Executor(self.client, self.gate, self.stores)
        events = EventRecorder(self.client, self.gate, instance="test")
        reporter = Reporter(self.client, self.stores, self.gate, self.executor, events)
        around = Surroundings(
            view_epoch=lambda _: (self.term_number, self.gaps),
            term_number=lambda: self.term_number,
            term=self.term.decided,
            term_began=lambda _: self.term_began,
            now=lambda: self.now,
        )
        self.kind = raycluster(self.client, self.view, lambda _: self.other_operator, self._decide)
        self.reconciler = Reconciler(self.kind, self.client, self.stores, self.executor, reporter, around)

    def _decide(self, seen: Snapshot) -> Plan:
        return self.decide(seen)

    @property
    def cluster(self) -> Root:
        """The cached cluster."""
        found = self.clusters.get(KEY)
        assert found is not None
        return found

    def stored(
        self,
        spec_fields: Mapping[str, Any] | None = None,
        *,
        status: Mapping[str, Any] | None = None,
        version: int = 1000,
        born: bool = False,
        **metadata: Any,
    ) -> Object:
        """Store the cluster in the API server and in the cache."""
        obj = written(spec_fields=spec_fields or spec()) | {"status": dict(status or {})}
        own = {"uid": UID, "resourceVersion": str(version), "generation": 1, **metadata}
        obj["metadata"] = obj["metadata"] | own
        self.api.there[CLUSTER] = obj
        self.clusters.apply(obj, born=born)
        return obj

    def head(self, epoch: int = 0, *, cached: bool = True, **changes: Any) -> Object:
        """A running head, as the operator creates it."""
        return self._pod(head_pod(self.cluster, self._spec, epoch).body, cached, changes)

    def worker(self, index: int, *, cached: bool = True, **changes: Any) -> Object:
        """A running worker of the first group."""
        factory = worker_pods(self.cluster, self._spec, self._spec.worker_group_specs[0])
        return self._pod(factory.named(index), cached, changes)

    def show(self, pod: Object) -> None:
        """Put a pod into the cache, as its watch would."""
        self.pods.apply(pod_from_object(pod))

    @property
    def _spec(self) -> Any:  # noqa: ANN401 - the model of the spec
        return parsed(self.cluster.spec)

    def _pod(self, body: Mapping[str, Any], cached: bool, changes: Mapping[str, Any]) -> Object:  # noqa: FBT001 - private
        own = {"uid": f"uid-{body['metadata']['name']}", "resourceVersion": "1500", **changes}
        own.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        pod = {**body, "metadata": {**body["metadata"], **own}, "status": {"phase": "Running"}}
        self.api.there[f"{PODS}/{pod['metadata']['name']}"] = pod
        if cached:
            self.show(pod)
        return pod


@asynccontextmanager
async def passes() -> AsyncIterator[Passes]:
    """The parts and their API server, gone after the block."""
    async with scripted_api() as api:
        made = Passes(api)
        async with made.client:
            yield made
