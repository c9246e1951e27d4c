"""The parts of one operator, put together."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from rayfleet.engine.children import Wakes, followed, stores_for
from rayfleet.engine.events import EventRecorder
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.reconciler import Reconciler, Surroundings
from rayfleet.engine.reporter import Reporter
from rayfleet.engine.term import Term
from rayfleet.engine.workqueue import Done, Retry, WorkQueue
from rayfleet.fair_threads import FairThreads
from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.fleet.gpu_pods import GpuPods
from rayfleet.fleet.namespace_ceilings import NamespaceCeilingsReader
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.children import CHILDREN, POD_CHILD, RAYCLUSTERS, SERVICE_CHILD
from rayfleet.kinds.raycluster.kind import decided, raycluster
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.pod_counts import PodCounts
from rayfleet.kinds.raycluster.series import cluster_lines
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.prometheus import PrometheusClient
from rayfleet.kinds.raycluster.sources.sampler import MetricSampler
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.informer import Informer, wait_until_served
from rayfleet.kube.leases import LeaderElector
from rayfleet.kube.leases.other_operator import OtherOperatorWatch
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.polling import Clockwork, Poller
from rayfleet.settings.flags import Settings
from rayfleet.telemetry import readiness
from rayfleet.telemetry.health import HealthServer
from rayfleet.telemetry.metrics import Exposition, MetricsServer, Parts, PartsCollector, Recorder

ROOTS: Final = (RAYCLUSTERS,)
"""What users write and the operator serves."""
PROGRESS_SECONDS = 0.5
"""Pods on their way to readiness are looked at together; whatever calls for action is looked at at once."""
STEP_SECONDS = 2.0
"""The same while others of the cluster are not ready yet: nobody can wait for anything but counts then."""
REPORTING, JUST_REPORTING = 320, 64
"""Passes that are only going to report, beside those that are worked on; the fewer had nothing else to do.
Each holds its cluster unpacked, and what it has made: 30 to 70 KB. After a restart, or when a fleet is made,
all clusters have such a pass at once, and a process does not give back what it has ever needed."""
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 60.0


class Operator:
    """Every part of one running operator."""

    def __init__(
        self,
        given: Settings,
        credentials: Credentials,
        decide: Callable[[Snapshot], Plan] = decided,
    ) -> None:
        self._settings = given
        self._credentials = credentials
        self._client = KubeClient(
            credentials,
            connections=given.write_concurrency * 2,
            may_write=lambda: self._term.seconds_left,
        )
        # A client of its own: a renewal never waits for the connections that everything else uses.
        self._election_client = KubeClient(credentials, connections=1, calls=self._client.calls)
        self._election = LeaderElector(
            self._election_client,
            given.lease_namespace or next(iter(given.namespaces), credentials.namespace or "default"),
            given.identity,
            clock=_seconds_since_boot,
            on_gain=self._lead,
            on_loss=self._stand_by,
        )
        self._term = Term(
            self._client,
            given.namespaces,
            number=lambda: self._election.term,
            seconds_left=lambda: self._election.seconds_left,
            roots=ROOTS,
        )
        self._stores = stores = stores_for(ROOTS, CHILDREN)
        self._clusters, self._pods = stores.roots[RAYCLUSTERS.kind], stores.of(POD_CHILD)
        self._crd_served, self._started = asyncio.Event(), asyncio.Event()
        self._recorder = Recorder()
        gate = FairGate(given.write_concurrency, per_cluster=max(1, given.write_concurrency * 3 // 4))
        wakes = Wakes(self._wake, self._wake_for_pod, self._wake_soon)
        self._informer = Informer(
            self._client,
            given.namespaces,
            tuple(followed(ROOTS, CHILDREN, stores, wakes)),
            on_readable=self._wake_namespace,
        )
        self._other_operator = OtherOperatorWatch(
            self._client,
            given.namespaces,
            given.other_operator_namespaces,
            self._wake_namespace,
            in_use=lambda: {key.namespace for store in stores.roots.values() for key in store},
            now=self._client.clock.now,
        )
        self._threads = FairThreads()
        scaling = self._scaling_sources()
        kinds = (
            raycluster(
                self._client,
                View(self._clusters, self._pods, stores.of(SERVICE_CHILD), scaling, given.pods),
                self._other_operator.alive,
                decide,
            ),
        )
        counts = PodCounts(self._recorder)
        executor = Executor(self._client, gate, stores, counts.count)
        events = EventRecorder(self._client, gate, instance=given.identity)
        reporter = Reporter(self._client, stores, gate, executor, events)
        around = Surroundings(
            view_epoch=lambda key: (self._election.term, self._informer.gaps(key.namespace)),
            term_number=lambda: self._election.term,
            term=self._term.decided,
            term_began=self._term.began,
            coming=gate.coming,
            acted=self._make_room,
            waits=self._make_room_for_long,
            now=self._client.clock.now,
        )
        self._reconcilers = {
            kind.resource.kind: Reconciler(
                kind, self._client, stores, executor, reporter, around, self._threads
            )
            for kind in kinds
        }
        self._queue = WorkQueue(
            self._recorder.timed(self._reconcile),
            concurrency=given.reconcile_concurrency,
            first_backoff=FIRST_BACKOFF,
            longest_backoff=LONGEST_BACKOFF,
        )
        self.servers = (self._health_server(), self._metrics_server())

    def _scaling_sources(self) -> ScalingSources:
        """What the size of a cluster depends on outside its own objects."""
        scaling, clock, pods = self._settings.scaling, self._client.clock, self._pods
        self._poller = Poller(
            self._wake,
            lambda key: [pod.name for pod in pods.owned_by(key) if pod.active],
            clockwork=Clockwork(unix=clock.now),
            threads=self._threads,
        )
        self._heads = RayHeads(
            self._poller,
            ClusterTokens(self._client),
            PodAddresses(self._client),
            may_write=lambda: self._term.seconds_left,
        )
        self._prometheus = PrometheusClient()
        self._sampler = MetricSampler(scaling.queries, self._prometheus.ask, self._wake, clock=clock.now)
        self._gpu_pods = GpuPods(self._clusters, pods)
        self._ledger = GpuLedger(
            self._clusters.keys,
            time.monotonic,
            has_pods=lambda key: bool(pods.owned_by(key)),
            without_pass=self._gpus_without_pass,
            by_pods=self._gpu_pods.of_cluster,
            left=self._gpu_pods.left,
            owners=pods.owners,
        )
        ceilings = NamespaceCeilingsReader(self._client)
        return ScalingSources(self._heads, self._sampler, ceilings, self._ledger, scaling.limits)

    def _health_server(self) -> HealthServer:
        host, port = self._settings.health_host, self._settings.health_port
        return HealthServer(
            host,
            port,
            healthy=lambda: None,
            ready=self._not_ready,
            remarks=lambda: readiness.remarks(self._informer.health),
        )

    def _metrics_server(self) -> MetricsServer:
        parts = Parts(
            queue=self._queue,
            concurrency=self._settings.reconcile_concurrency,
            calls=self._client.calls,
            gcs_calls=self._poller.calls,
            informers=lambda: self._informer.health,
            leading=lambda: self._election.leading,
            other_operator=lambda: self._other_operator.anywhere,
            unavailable=lambda: readiness.unavailable(self._informer.health),
            ignored_leases=lambda: len(self._other_operator.ignored),
        )
        self._recorder.registry.register(PartsCollector(parts))
        exposition = Exposition(
            self._recorder.registry, self._clusters, self._pods, cluster_lines, parts.leading
        )
        return MetricsServer(self._settings.metrics_host, self._settings.metrics_port, exposition)

    def parts(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """What runs until the process ends, by name."""
        return {
            "event loop lag": self._recorder.watch_loop(),
            "informer": self._informer.run(self._crd_served),
            "CRD": self._await_crd(),
            "other operator": self._other_operator.run(),
            "metrics of other queues": self._sampler.run(),
            "beginning of terms": self._term.run(),
            "work": self._work(),
        }

    async def stop_work(self, grace: float) -> None:
        """Begin no pass any more; those that are under way have `grace` seconds."""
        await self._queue.stop(grace)

    async def resign(self) -> None:
        """Let another lead."""
        await self._election.release()

    async def close(self) -> None:
        """Close what is open."""
        await self._heads.close()
        await self._poller.close()
        self._threads.close()
        await self._prometheus.close()
        await self._client.close()
        await self._election_client.close()

    async def _await_crd(self) -> None:
        await wait_until_served(self._client, ROOTS)
        self._crd_served.set()
        await asyncio.Event().wait()  # The end of a part would be the end of the process.

    async def _work(self) -> None:
        """Nothing is decided before every kind that decisions need has been seen, and by the leader alone."""
        await self._informer.wait_started()
        self._started.set()
        await self._other_operator.looked.wait()
        await self._election.run()

    async def _reconcile(self, key: Key) -> Done | Retry:
        """A pass, unless too little is known of its namespace; as soon as that changes, it is woken."""
        if key in self._stores.roots[key.kind] and not self._is_known(key.namespace):
            return Done()
        return await self._reconcilers[key.kind].reconcile(key)

    def _is_known(self, namespace: str) -> bool:
        return self._informer.readable(namespace) and self._other_operator.known(namespace)

    def _gpus_without_pass(self, key: Key) -> int | None:
        """By its pods, of a cluster that no pass is made over for now; none where one counts better."""
        if self._is_known(key.namespace):
            return None
        return self._gpu_pods.of_cluster(key)

    def _lead(self) -> None:
        """What was decided before, by us or by another, is looked at afresh."""
        self._term.gain()
        self._wake_all()
        self._queue.start()

    def _stand_by(self) -> None:
        self._sampler.forget_all()
        self._poller.forget_all()
        self._ledger.forget_all()
        self._queue.pause()

    def _wake_for_pod(self, key: Key) -> None:
        self._poller.poke(key)
        self._wake(key)

    def _wake_soon(self, key: Key) -> None:
        self._poller.poke(key)
        waits = any(pod.active and not pod.ready for pod in self._pods.owned_by(key))
        self._queue.add_after(key, STEP_SECONDS if waits else PROGRESS_SECONDS)

    def _wake(self, key: Key) -> None:
        self._queue.add(key)

    def _make_room(self, key: Key, did: bool) -> None:  # noqa: FBT001 - told by position, as a callback is
        self._queue.make_room(key, at_most=REPORTING if did else JUST_REPORTING)

    def _make_room_for_long(self, key: Key) -> None:
        self._queue.make_room(key)

    def _wake_all(self) -> None:
        self._wake_namespace(None)

    def _wake_namespace(self, namespace: str | None) -> None:
        for key in (key for store in self._stores.roots.values() for key in store):
            if namespace in {None, key.namespace}:
                self._queue.add(key)

    def _not_ready(self) -> str | None:
        if not self._crd_served.is_set():
            served = ", ".join(f"{root.plural}.{root.api_version}" for root in ROOTS)
            return f"the API server does not serve {served} yet: install the CRD"
        trouble = readiness.view_trouble(self._informer.health)
        if trouble is not None:
            return trouble
        if not self._started.is_set():
            return "not every namespace has been listed yet"
        if not self._other_operator.looked.is_set():
            return "it is not known yet whether another operator is alive"
        if self._election.trouble is not None and not self._election.leading:
            return f"the Lease of the leader cannot be used: {self._election.trouble}"
        return None


def _seconds_since_boot() -> float:
    """Goes on while the process, and where that is known the machine, is stopped."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
