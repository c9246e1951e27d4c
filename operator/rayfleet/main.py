"""The process: puts the parts together, and takes them apart when it is asked to end."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import uvloop

from rayfleet.api.names import GROUP, PLURAL, VERSION
from rayfleet.engine.events import EventRecorder
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.reconciler import Reconciler, Surroundings
from rayfleet.engine.reporter import Reporter
from rayfleet.engine.shell import run_shell
from rayfleet.engine.term import Term
from rayfleet.engine.workqueue import Done, Retry, WorkQueue
from rayfleet.fair_threads import FairThreads
from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.fleet.gpu_pods import GpuPods
from rayfleet.fleet.namespace_ceilings import NamespaceCeilingsReader
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.prometheus import PrometheusClient
from rayfleet.kinds.raycluster.sources.sampler import MetricSampler
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials, CredentialsError
from rayfleet.kube.client.login import find_credentials
from rayfleet.kube.informer import Informer, Stores, Wakes, wait_until_served
from rayfleet.kube.leases import LeaderElector
from rayfleet.kube.leases.other_operator import OtherOperatorWatch
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.polling import Clockwork, Poller
from rayfleet.settings import flags as settings
from rayfleet.settings.flags import Settings
from rayfleet.telemetry import logs, readiness
from rayfleet.telemetry.health import HealthServer
from rayfleet.telemetry.http_server import HttpServer, ListenError
from rayfleet.telemetry.metrics import Exposition, MetricsServer, Parts, PartsCollector, Recorder

log = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 3.0
"""What is under way at SIGTERM may take this long; the process ends within 5 s."""
SHELL_SECONDS = 0.5
"""For kopf to end by itself, as it does where it was kopf that the signal reached."""
PROGRESS_SECONDS = 0.5
"""Pods on their way to readiness are looked at together; whatever calls for action is looked at at once."""
STEP_SECONDS = 2.0
"""The same while others of the cluster are not ready yet: nobody can wait for anything but counts then."""
GARBAGE_THRESHOLD = 10_000
"""Objects between looks for cyclic garbage; the default of 700 costs a twentieth of the processor time."""
REPORTING, JUST_REPORTING = 320, 64
"""Passes that are only going to report, beside those that are worked on; the fewer had nothing else to do.
Each holds its cluster unpacked, and what it has made: 30 to 70 KB. After a restart, or when a fleet is made,
all clusters have such a pass at once, and a process does not give back what it has ever needed."""
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 60.0


class Operator:
    """Every part of one running operator."""

    def __init__(self, given: Settings, credentials: Credentials) -> None:
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
        )
        self._stores = stores = Stores()
        self._clusters, pods, services = stores.clusters, stores.pods, stores.services
        self._crd_served, self._started, self._asked_to_end = (
            asyncio.Event(),
            asyncio.Event(),
            asyncio.Event(),
        )
        self._recorder = Recorder()
        gate = FairGate(given.write_concurrency, per_cluster=max(1, given.write_concurrency * 3 // 4))
        wakes = Wakes(self._wake, self._wake_for_pod, self._wake_soon, readable=self._wake_namespace)
        self._informer = Informer(self._client, given.namespaces, stores, wakes)
        self._other_operator = OtherOperatorWatch(
            self._client,
            given.namespaces,
            given.other_operator_namespaces,
            self._wake_namespace,
            in_use=lambda: {key.namespace for key in self._clusters},
            now=self._client.clock.now,
        )
        clock = self._client.clock
        threads = self._threads = FairThreads()
        self._poller = Poller(
            self._wake,
            lambda key: [pod.name for pod in pods.owned_by(key) if pod.active],
            clockwork=Clockwork(unix=clock.now),
            threads=threads,
        )
        heads = self._heads = RayHeads(
            self._poller,
            ClusterTokens(self._client),
            PodAddresses(self._client),
            may_write=lambda: self._term.seconds_left,
        )
        self._prometheus = PrometheusClient()
        self._sampler = MetricSampler(
            given.scaling.queries, self._prometheus.ask, self._wake, clock=clock.now
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
        sources = ScalingSources(
            heads,
            self._sampler,
            NamespaceCeilingsReader(self._client),
            self._ledger,
            given.scaling.limits,
        )
        executor = Executor(self._client, gate, self._clusters, pods, services, heads, self._recorder.count)
        events = EventRecorder(self._client, gate, instance=given.identity)
        self._reconciler = Reconciler(
            self._client,
            View(self._clusters, pods, services, sources, given.pods),
            executor,
            Reporter(self._client, self._clusters, gate, executor, events),
            Surroundings(
                view_epoch=lambda key: (self._election.term, self._informer.gaps(key.namespace)),
                term_number=lambda: self._election.term,
                term=self._term.decided,
                term_began=lambda: self._term.began,
                other_operator=self._other_operator.alive,
                coming=gate.coming,
                acted=self._make_room,
                waits=self._make_room_for_long,
                now=clock.now,
            ),
            threads,
        )
        self._queue = WorkQueue(
            self._recorder.timed(self._reconcile),
            concurrency=given.reconcile_concurrency,
            first_backoff=FIRST_BACKOFF,
            longest_backoff=LONGEST_BACKOFF,
        )
        self._servers: tuple[HttpServer, ...] = (self._health_server(), self._metrics_server())

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
        exposition = Exposition(self._recorder.registry, self._clusters, self._stores.pods, parts.leading)
        return MetricsServer(self._settings.metrics_host, self._settings.metrics_port, exposition)

    async def run(self) -> int:
        """Run until it is asked to end, or until a part ends that must not; the exit status."""
        try:
            for server in self._servers:
                await server.start()
            return await self._run_parts()
        finally:
            await self._close_servers()

    async def _run_parts(self) -> int:
        parts = [
            asyncio.create_task(self._recorder.watch_loop(), name="event loop lag"),
            asyncio.create_task(self._informer.run(self._crd_served), name="informer"),
            asyncio.create_task(self._await_crd(), name="CRD"),
            asyncio.create_task(self._other_operator.run(), name="other operator"),
            asyncio.create_task(self._sampler.run(), name="metrics of other queues"),
            asyncio.create_task(self._term.run(), name="beginning of terms"),
            asyncio.create_task(self._work(), name="work"),
        ]
        shell = asyncio.create_task(self._shell(), name="kopf")
        asked = asyncio.create_task(self._asked_to_end.wait())
        try:
            ended, _ = await asyncio.wait([asked, shell, *parts], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._queue.stop(STOP_GRACE_SECONDS)
            await _cancel([asked, *parts])
            await self._election.release()
            # kopf last: at its end it waits for every task of the process that is younger than itself, and
            # so for those of connections that a scraper keeps open.
            await self._close_servers()
            if not (await asyncio.wait([shell], timeout=SHELL_SECONDS))[0]:
                shell.cancel()
                await asyncio.wait([shell], timeout=STOP_GRACE_SECONDS)
            await self._heads.close()
            await self._poller.close()
            self._threads.close()
            await self._prometheus.close()
            await self._client.close()
            await self._election_client.close()
        return _exit_status([*ended, shell], asked)

    async def _close_servers(self) -> None:
        for server in self._servers:
            await server.stop()

    def ask_to_end(self) -> None:
        """Make `run` end in good order."""
        self._asked_to_end.set()

    async def _shell(self) -> None:
        given = self._settings
        # Once it runs, kopf takes the signals for itself, and tells us when it ends.
        await run_shell(self._credentials, given.namespaces, given.identity, on_end=self.ask_to_end)

    async def _await_crd(self) -> None:
        await wait_until_served(self._client)
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
        if key in self._clusters and not self._is_known(key.namespace):
            return Done()
        return await self._reconciler.reconcile(key)

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
        waits = any(pod.active and not pod.ready for pod in self._stores.pods.owned_by(key))
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
        for key in self._clusters:
            if namespace in {None, key.namespace}:
                self._queue.add(key)

    def _not_ready(self) -> str | None:
        if not self._crd_served.is_set():
            return f"the API server does not serve {PLURAL}.{GROUP}/{VERSION} yet: install the CRD"
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


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _exit_status(ended: Iterable[asyncio.Task[Any]], asked: asyncio.Task[Any]) -> int:
    """0 when it was asked to end. A part that fails takes the process along: the next starts clean."""
    status = 0
    for task in ended:
        if task is not asked and task.done() and not task.cancelled() and task.exception() is not None:
            log.critical("A part has failed: %s", task.get_name(), exc_info=task.exception())
            status = 1
    return status


async def _until_signalled(operator: Operator) -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operator.ask_to_end)
    return await operator.run()


def _seconds_since_boot() -> float:
    """Goes on while the process, and where that is known the machine, is stopped."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; the exit status."""
    given = settings.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    logs.configure(given.log_level)
    gc.freeze()  # What has been imported stays: it need not be looked through again and again.
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        credentials = find_credentials(given.kubeconfig)
        return uvloop.run(_until_signalled(Operator(given, credentials)))
    except (CredentialsError, ListenError) as error:
        log.critical("%s", error)
        return 2
