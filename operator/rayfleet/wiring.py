"""The parts of one operator, put together."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.engine.kind import AnyKind
from rayfleet.engine.loop import Loop, Setup
from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.fleet.gpu_pods import GpuPods
from rayfleet.fleet.namespace_ceilings import NamespaceCeilingsReader
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.children import CHILDREN, NODE_CHILD, POD_CHILD, RAYCLUSTERS, SERVICE_CHILD
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
from rayfleet.kinds.rayjob.accounts import JobAccounts
from rayfleet.kinds.rayjob.children import CHILDREN as JOB_CHILDREN
from rayfleet.kinds.rayjob.children import RAYJOBS, SUBMITTER_CHILD
from rayfleet.kinds.rayjob.followers import Followers
from rayfleet.kinds.rayjob.kind import rayjob
from rayfleet.kinds.rayjob.observe import JobView
from rayfleet.kinds.rayjob.series import JobSeries
from rayfleet.kinds.rayjob.sources.dashboards import Dashboards
from rayfleet.kube.cache import Glance
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.informer import CrdAges
from rayfleet.kube.leases.other_operator import OtherOperatorWatch
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.resources import Resource
from rayfleet.ray.dashboard.poller import JobsPoller
from rayfleet.ray.polling import PollClock, Poller
from rayfleet.settings.flags import Settings
from rayfleet.telemetry import readiness
from rayfleet.telemetry.health import HealthServer
from rayfleet.telemetry.metrics import (
    Exposition,
    MetricsServer,
    OperatorParts,
    PartsCollector,
    Recorder,
    Shown,
)
from rayfleet.telemetry.metrics.lines import Line

ROOTS: Final = (RAYCLUSTERS, RAYJOBS)
"""The kinds that users write and the operator reconciles."""
SERVED_CRDS: Final = {name: CRD_REVISIONS[name] for name in (f"{RAYCLUSTERS.plural}.{RAYCLUSTERS.group}",)}
"""The revisions of the CRDs that every installation has, by name."""
JOB_CRDS: Final = {name: CRD_REVISIONS[name] for name in (f"{RAYJOBS.plural}.{RAYJOBS.group}",)}
"""Those that come with jobs. No other CRD is looked at."""
OPTIONAL: Final = frozenset({RAYJOBS.kind})
"""Those without which the others work: an older release did not bring their CRD."""


class Operator:
    """Every part of one running operator."""

    def __init__(
        self,
        given: Settings,
        credentials: Credentials,
        decide: Callable[[Snapshot], Plan] = decided,
    ) -> None:
        self._settings = given
        self._recorder = Recorder()
        home = next(iter(given.namespaces), credentials.namespace or "default")
        setup = Setup(
            given.identity,
            tuple(given.namespaces),
            given.lease_namespace or home,
            given.write_concurrency,
            given.reconcile_concurrency,
        )
        self._loop = loop = Loop(
            credentials,
            setup,
            _roots(given),
            (
                *CHILDREN,
                *(JOB_CHILDREN if given.jobs else ()),
                *((NODE_CHILD,) if given.watch_nodes else ()),
            ),
            optional=OPTIONAL,
            timed=self._recorder.timed,
            is_known=self._is_known,
        )
        self._clusters, self._pods = loop.stores.roots[RAYCLUSTERS.kind], loop.stores.of(POD_CHILD)
        self._other_operator = OtherOperatorWatch(
            loop.client,
            given.namespaces,
            given.other_operator_namespaces,
            loop.wake_namespace,
            in_use=lambda: {key.namespace for key in loop.keys},
            now=loop.client.clock.now,
        )
        crds = {**SERVED_CRDS, **(JOB_CRDS if given.jobs else {})}
        self._crds = CrdAges(loop.client, crds if given.check_crds else {})
        services, scaling = loop.stores.of(SERVICE_CHILD), self._scaling_sources()
        view = View(self._clusters, self._pods, services, scaling, given.pods)
        counts = PodCounts(self._recorder)
        kind = raycluster(loop.client, view, self._other_operator.alive, decide)
        self._jobs_poller = JobsPoller(loop.wake, clockwork=PollClock(unix=loop.client.clock.now))
        self._job_accounts = JobAccounts(leading=lambda: loop.election.leading)
        loop.serve(kind, *((self._jobs(),) if given.jobs else ()), on_outcome=counts.count)
        self.servers = (self._health_server(), self._metrics_server())

    def parts(self) -> Mapping[str, Any]:
        """The coroutines that run until the process ends, by name."""
        return {
            "event loop lag": self._recorder.watch_loop(),
            "other operator": self._other_operator.run(),
            "age of the CRDs": self._crds.run(),
            "metrics of other queues": self._sampler.run(),
            **self._loop.parts(self._other_operator.looked.wait),
        }

    async def stop_work(self, grace: float) -> None:
        """Begin no more passes; those in progress have `grace` seconds."""
        await self._loop.stop_work(grace)

    async def resign(self) -> None:
        """Let another operator lead."""
        await self._loop.resign()

    async def close(self) -> None:
        """Close all connections."""
        await self._heads.close()
        await self._poller.close()
        await self._jobs_poller.close()
        await self._prometheus.close()
        await self._loop.close()

    def _scaling_sources(self) -> ScalingSources:
        """The sources outside a cluster's own objects on which its size depends."""
        loop, scaling, pods = self._loop, self._settings.scaling, self._pods
        self._poller = Poller(
            loop.wake,
            lambda key: [pod.name for pod in pods.owned_by(key) if pod.active],
            clockwork=PollClock(unix=loop.client.clock.now),
            threads=loop.threads,
        )
        self._heads = RayHeads(
            self._poller,
            ClusterTokens(loop.client),
            PodAddresses(loop.client),
            may_write=lambda: loop.term.seconds_left,
        )
        self._prometheus = PrometheusClient()
        self._sampler = MetricSampler(
            scaling.queries, self._prometheus.ask, loop.wake, clock=loop.client.clock.now
        )
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
        ceilings = NamespaceCeilingsReader(loop.client)
        self._accounts = accounts = ClusterAccounts(
            self._heads.observation, leading=lambda: loop.election.leading
        )
        return ScalingSources(self._heads, self._sampler, ceilings, self._ledger, scaling.limits, accounts)

    def _jobs(self) -> AnyKind:
        """The kind RayJob, with what asks the dashboards."""
        loop, stores, now = self._loop, self._loop.stores, self._loop.client.clock.now
        dashboards = Dashboards(
            self._jobs_poller,
            ClusterTokens(loop.client),
            PodAddresses(loop.client),
            may_write=lambda: loop.term.seconds_left,
            now=now,
        )
        view = JobView(
            stores.roots[RAYJOBS.kind],
            self._clusters,
            self._pods,
            stores.of(SUBMITTER_CHILD),
            stores.of(SERVICE_CHILD),
            dashboards.heard,
            Followers(),
            self._settings.pods.cluster_domain,
        )
        other_operator = self._other_operator.alive
        return rayjob(loop.client, view, dashboards, other_operator, self._job_accounts)

    def _is_known(self, namespace: str) -> bool:
        """Whether another operator could act in a namespace."""
        return self._other_operator.known(namespace)

    def _gpus_without_pass(self, key: Key) -> int | None:
        """The GPUs of a cluster that gets no pass for now, by its pods; None if a pass counts them better."""
        if self._loop.is_known(key.namespace):
            return None
        return self._gpu_pods.of_cluster(key)

    def _health_server(self) -> HealthServer:
        host, port = self._settings.health_host, self._settings.health_port
        return HealthServer(
            host,
            port,
            healthy=lambda: None,
            ready=self._not_ready,
            remarks=lambda: (*readiness.remarks(self._loop.informer.health), *self._crds.remarks),
        )

    def _metrics_server(self) -> MetricsServer:
        loop = self._loop
        parts = OperatorParts(
            queue=loop.queue,
            concurrency=self._settings.reconcile_concurrency,
            calls=loop.client.calls,
            gcs_calls=self._poller.calls,
            dashboard_calls=self._jobs_poller.calls,
            informers=lambda: loop.informer.health,
            leading=lambda: loop.election.leading,
            other_operator=lambda: self._other_operator.anywhere,
            unavailable=lambda: readiness.unavailable(loop.informer.health),
            ignored_leases=lambda: len(self._other_operator.ignored),
            outdated_crds=lambda: self._crds.outdated,
            scaling=self._accounts.scaling,
            startups=self._accounts.startups,
            jobs=self._job_accounts.fleet,
        )
        self._recorder.registry.register(PartsCollector(parts))
        exposition = Exposition(self._recorder.registry, self._shown(), parts.leading)
        return MetricsServer(self._settings.metrics_host, self._settings.metrics_port, exposition)

    def _shown(self) -> tuple[Shown, ...]:
        """The kinds whose objects have series of their own."""
        loop, clusters, pods = self._loop, self._clusters, self._pods

        def of_cluster(cluster: Glance) -> Iterator[Line]:
            return cluster_lines(cluster, pods.owned_by(cluster.key), self._accounts)

        shown = (Shown(clusters, of_cluster),)
        if not self._settings.jobs:
            return shown
        series = JobSeries(clusters, pods, self._job_accounts, loop.client.clock.now)
        return (*shown, Shown(loop.stores.roots[RAYJOBS.kind], series.lines))

    def _not_ready(self) -> str | None:
        loop = self._loop
        if not loop.served.is_set():
            served = f"{RAYCLUSTERS.plural}.{RAYCLUSTERS.api_version}"
            return f"the API server does not serve {served} yet: install the CRD"
        trouble = readiness.view_trouble(loop.informer.health)
        if trouble is not None:
            return trouble
        if not loop.started.is_set():
            return "not every namespace has been listed yet"
        if not self._other_operator.looked.is_set():
            return "it is not known yet whether another operator is alive"
        if loop.election.trouble is not None and not loop.election.leading:
            return f"the leader's Lease cannot be used: {loop.election.trouble}"
        return None


def _roots(given: Settings) -> tuple[Resource, ...]:
    return ROOTS if given.jobs else (RAYCLUSTERS,)
