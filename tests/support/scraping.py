"""The metrics of an operator's parts and caches, as a scraper would read them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text
from prometheus_client.samples import Sample

from rayfleet.engine.workqueue import Done, WorkQueue
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.pod_counts import PodCounts
from rayfleet.kinds.raycluster.series import cluster_lines
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.rayjob.accounts import JobAccounts
from rayfleet.kinds.rayjob.series import JobSeries
from rayfleet.kube.cache import Glance, RootStore, Store
from rayfleet.kube.client.calls import ApiCalls, DashboardCalls, GcsCalls
from rayfleet.kube.informer import Health
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.polling import Observation
from rayfleet.telemetry.metrics import Exposition, OperatorParts, PartsCollector, Recorder, Shown
from rayfleet.telemetry.metrics.lines import Line
from support.builders import NOW, snapshot

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
PLAIN_TEXT = "text/plain; version=0.0.4"


async def _nothing(_: Key) -> Done:
    return Done()


@dataclass
class Scene:
    """The parts with metrics; a test changes those that it is about."""

    queue: WorkQueue = field(
        default_factory=lambda: WorkQueue(_nothing, concurrency=8, first_backoff=0.01, longest_backoff=0.04)
    )
    calls: ApiCalls = field(default_factory=ApiCalls)
    gcs_calls: GcsCalls = field(default_factory=GcsCalls)
    dashboard_calls: DashboardCalls = field(default_factory=DashboardCalls)
    informers: list[Health] = field(default_factory=list)
    leading: bool = True
    other_operator: str | None = None
    ignored_leases: int = 0
    outdated_crds: dict[str, bool] = field(default_factory=lambda: {"rayclusters.ray.io": False})
    unavailable: dict[str, str | None] = field(default_factory=lambda: {"ml": None})
    clusters: RootStore = field(default_factory=lambda: RootStore("RayCluster"))
    jobs: RootStore = field(default_factory=lambda: RootStore("RayJob"))
    pods: Store[Pod] = field(default_factory=lambda: Store(Pod, ["RayCluster"]))
    recorder: Recorder = field(default_factory=Recorder)
    heads: dict[Key, Observation] = field(default_factory=dict)
    """What the heads of clusters have said."""
    now: float = 0.0
    """Monotonic seconds."""

    def __post_init__(self) -> None:
        self.accounts = ClusterAccounts(self.heads.get, lambda: self.now, lambda: self.leading)
        self.job_accounts = JobAccounts(lambda: self.leading)
        parts = OperatorParts(
            queue=self.queue,
            concurrency=8,
            calls=self.calls,
            informers=lambda: self.informers,
            leading=lambda: self.leading,
            other_operator=lambda: self.other_operator,
            gcs_calls=self.gcs_calls,
            dashboard_calls=self.dashboard_calls,
            ignored_leases=lambda: self.ignored_leases,
            unavailable=lambda: self.unavailable,
            outdated_crds=lambda: self.outdated_crds,
            scaling=self.accounts.scaling,
            startups=self.accounts.startups,
            jobs=self.job_accounts.fleet,
        )
        self.recorder.registry.register(PartsCollector(parts))
        PodCounts(self.recorder)

    def exposition(self, pause: Callable[[], Awaitable[None]] | None = None) -> Exposition:
        """The exposition, with `pause` in place of a turn of the event loop."""

        def of_cluster(cluster: Glance) -> Iterable[Line]:
            return cluster_lines(cluster, self.pods.owned_by(cluster.key), self.accounts)

        series = JobSeries(self.clusters, self.pods, self.job_accounts, lambda: NOW)
        kinds = (Shown(self.clusters, of_cluster), Shown(self.jobs, series.lines))
        made = Exposition(self.recorder.registry, kinds, lambda: self.leading)
        return made if pause is None else replace(made, pause=pause)

    def store(self, of: Root, pods: Iterable[Pod] = (), status: JsonObject | None = None) -> JsonObject:
        """Put a cluster and its pods into the caches with the resulting status, and return that."""
        pods = tuple(pods)
        if status is None:
            seen = snapshot(of, pods)
            status = compute_status(seen, plan(seen), ())
        metadata: dict[str, Any] = {
            "name": of.key.name,
            "namespace": of.key.namespace,
            "uid": of.uid,
            "resourceVersion": str(of.resource_version),
            "creationTimestamp": "2027-01-15T07:58:30Z",
        }
        if of.owner is not None:
            owner = {"kind": of.owner.kind, "name": of.owner.name, "uid": of.owner.uid}
            metadata["ownerReferences"] = [{**owner, "controller": True}]
        self.clusters.apply({"metadata": metadata, "spec": of.spec, "status": status})
        for pod in pods:
            self.pods.apply(pod)
        return status

    def store_job(self, name: str, status: JsonObject, uid: str = "") -> None:
        """Put a job into the cache."""
        metadata: dict[str, Any] = {"name": name, "namespace": "ml", "uid": uid or f"uid-of-{name}"}
        self.jobs.apply({"metadata": {**metadata, "resourceVersion": "7"}, "spec": {}, "status": status})

    async def text(self, accept: str = PLAIN_TEXT) -> str:
        _, parts = self.exposition().answer(accept)
        return b"".join([part async for part in parts]).decode()

    async def samples(self, accept: str = PLAIN_TEXT) -> list[Sample]:
        """What a scraper reads; its parser fails if the text violates the format."""
        parse = open_metrics if accept == OPEN_METRICS else plain_text
        return [sample for family in parse(await self.text(accept)) for sample in family.samples]

    async def value(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        """The value of a sample; None if there is no such sample."""
        found = [s.value for s in await self.samples() if s.name == name and s.labels == (labels or {})]
        assert len(found) <= 1, f"{name} exists {len(found)} times"
        return found[0] if found else None
