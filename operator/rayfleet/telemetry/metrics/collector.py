"""Metrics that the parts of the operator hold themselves, read at each scrape."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from rayfleet import __version__
from rayfleet.engine.workqueue import WorkQueue
from rayfleet.fleet.jobs import FleetJobs
from rayfleet.fleet.scaling import FleetScaling
from rayfleet.fleet.startups import Startups
from rayfleet.kube.client.calls import ApiCalls, DashboardCalls, Durations, GcsCalls, HeadCalls
from rayfleet.kube.informer import Health
from rayfleet.telemetry.metrics import cluster_definitions, definitions, job_definitions
from rayfleet.telemetry.metrics.definition import Definition

EVERYWHERE = "*"
"""The scope of an informer that watches all namespaces; no namespace can have this name."""


class OperatorParts(Struct, frozen=True):
    """The parts that are read."""

    queue: WorkQueue
    concurrency: int
    calls: ApiCalls
    informers: Callable[[], Sequence[Health]]
    leading: Callable[[], bool]
    other_operator: Callable[[], str | None]
    """The Lease of another operator that is alive and counts somewhere, if any."""
    ignored_leases: Callable[[], int] = lambda: 0
    """Leases of that name that are held but count nowhere."""
    unavailable: Callable[[], Mapping[str, str | None]] = dict
    """Why each namespace of a list cannot be relied upon; None if it can."""
    outdated_crds: Callable[[], Mapping[str, bool]] = dict
    """Whether each CRD is older than the operator; without those of which that is not known."""
    gcs_calls: GcsCalls = field(default_factory=GcsCalls)
    dashboard_calls: DashboardCalls = field(default_factory=DashboardCalls)
    scaling: FleetScaling = field(default_factory=FleetScaling)
    startups: Startups = field(default_factory=Startups)
    jobs: FleetJobs = field(default_factory=FleetJobs)


class PartsCollector(Collector):
    """Everything except single clusters and jobs, and what the recorder holds."""

    def __init__(self, parts: OperatorParts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        parts = self._parts
        version = (__version__, platform.python_version())
        yield _gauge(definitions.BUILD_INFO, 1, version)
        yield _gauge(definitions.LEADER, parts.leading())
        yield _gauge(definitions.OTHER_OPERATOR, parts.other_operator() is not None)
        yield _gauge(definitions.IGNORED_LEASES, parts.ignored_leases())
        crds = _gauge_family(definitions.CRD_OUTDATED)
        for name, outdated in parts.outdated_crds().items():
            crds.add_metric((name,), outdated)
        yield crds
        yield from self._work()
        requests = _counter_family(definitions.API_REQUESTS)
        for (verb, code), count in sorted(parts.calls.by_verb_and_code.items()):
            requests.add_metric((verb, str(code)), count)
        yield requests
        yield from _calls(definitions.GCS_REQUESTS, definitions.GCS_DURATION, parts.gcs_calls)
        of_dashboards = definitions.DASHBOARD_REQUESTS, definitions.DASHBOARD_DURATION
        yield from _calls(*of_dashboards, parts.dashboard_calls)
        yield from self._informers()
        yield from self._scaling()
        yield from self._jobs()

    def _work(self) -> Iterator[Metric]:
        queue = self._parts.queue
        yield _gauge(definitions.ACTIVE_WORKERS, queue.active)
        yield _gauge(definitions.MAX_CONCURRENT, self._parts.concurrency)
        yield _gauge(definitions.QUEUE_DEPTH, queue.waiting)
        yield _gauge(definitions.QUEUE_OLDEST_AGE, queue.oldest_wait)
        yield _gauge(definitions.QUEUE_LONGEST_RUNNING, queue.longest_run)
        retries = _counter_family(definitions.QUEUE_RETRIES)
        retries.add_metric((), queue.retries)
        yield retries
        # What failed in an earlier term as the leader is another leader's business by now.
        yield _gauge(definitions.QUEUE_BACKOFF, queue.failing if self._parts.leading() else 0)

    def _informers(self) -> Iterator[Metric]:
        age, synced = _gauge_family(definitions.INFORMER_AGE), _gauge_family(definitions.INFORMER_SYNCED)
        relists = _counter_family(definitions.INFORMER_RELISTS)
        gaps = _counter_family(definitions.INFORMER_GAPS)
        for health in self._parts.informers():
            labels = (health.kind, health.namespace or EVERYWHERE)
            if health.age is not None:
                age.add_metric(labels, health.age)
            synced.add_metric(labels, health.synced)
            relists.add_metric(labels, health.relists)
            gaps.add_metric(labels, health.losses)
        unavailable = _gauge_family(definitions.NAMESPACE_UNAVAILABLE)
        for namespace, why in self._parts.unavailable().items():
            unavailable.add_metric((namespace,), why is not None)
        yield from (age, synced, relists, gaps, unavailable)

    def _scaling(self) -> Iterator[Metric]:
        scaling, leading = self._parts.scaling, self._parts.leading()
        gauges = (
            (cluster_definitions.DEMAND, scaling.demand()),
            (cluster_definitions.INFEASIBLE_DEMAND, scaling.infeasible()),
            (cluster_definitions.HOLDS, scaling.holds()),
        )
        for metric, values in gauges:
            family = _gauge_family(metric)
            for label, value in values.items():
                family.add_metric((label,), value if leading else 0)
            yield family
        decisions = _counter_family(cluster_definitions.DECISIONS)
        for labels, count in scaling.decisions.items():
            decisions.add_metric(labels, count)
        ceilings = _counter_family(cluster_definitions.CEILINGS_HELD)
        for scope, count in scaling.ceilings.items():
            ceilings.add_metric((scope.name.lower(),), count)
        yield from (decisions, ceilings)
        yield _histogram_family(cluster_definitions.STARTUP, self._parts.startups.durations)

    def _jobs(self) -> Iterator[Metric]:
        jobs = self._parts.jobs
        attempts = _counter_family(job_definitions.ATTEMPTS)
        for labels, count in jobs.attempts.items():
            attempts.add_metric(labels, count)
        yield attempts
        yield _histogram_family(job_definitions.PHASES, jobs.durations)


def _calls(requests: Definition, durations: Definition, calls: HeadCalls) -> Iterator[Metric]:
    family = _counter_family(requests)
    for labels, count in sorted(calls.by_method_and_outcome.items()):
        family.add_metric(labels, count)
    yield family
    yield _histogram_family(durations, calls.durations)


def _gauge_family(metric: Definition) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _counter_family(metric: Definition) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)


def _histogram_family(metric: Definition, durations: Mapping[str, Durations]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
    for label, counted in durations.items():
        family.add_metric((label,), list(zip(bounds, counted.counts, strict=True)), counted.total)
    return family


def _gauge(metric: Definition, value: float, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    family = _gauge_family(metric)
    family.add_metric(labels, value)
    return family
