"""What is recorded while the operator works: a few hundred nanoseconds a record."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from rayfleet.api.names import NodeType
from rayfleet.engine.workqueue import Done, Retry, Work
from rayfleet.kinds.raycluster.plan import Cause, CreatePod, DeletePod, Outcome
from rayfleet.kube.objects.keys import Key
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.definitions import Definition

LAG_SECONDS = 0.5
"""Between looks at the event loop."""

_CREATED = {NodeType.HEAD: (Cause.MISSING, Cause.REPLACEMENT), NodeType.WORKER: (Cause.MISSING,)}
_DELETED = {
    NodeType.HEAD: (Cause.ENDED, Cause.SUPERSEDED),
    NodeType.WORKER: (Cause.ENDED, Cause.SURPLUS, Cause.REQUESTED, Cause.GROUP_REMOVED),
}

# A time of creation beside each counter doubles the series, and Prometheus does not read it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here


class Recorder:
    """Counters and histograms of one operator, in a registry of its own.

    Every series is there from the start, at 0, so that its first increase is seen as one.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        reconciles = self._counter(definitions.RECONCILES)
        self._results = {
            result: reconciles.labels(result) for result in ("success", "requeue_after", "retry", "error")
        }
        self._duration = self._histogram(definitions.RECONCILE_DURATION)
        self._lag = self._histogram(definitions.LOOP_LAG)
        self._created = _PodCounter(self._counter(definitions.PODS_CREATED), _CREATED)
        self._deleted = _PodCounter(self._counter(definitions.PODS_DELETED), _DELETED)

    def timed(self, work: Work) -> Work:
        """`work`, with the length and the result of each pass recorded."""

        async def pass_over(key: Key) -> Done | Retry:
            started = perf_counter()
            try:
                done = await work(key)
            except Exception:
                self._passed("error", started)
                raise
            self._passed(_result(done), started)
            return done

        return pass_over

    def count(self, outcome: Outcome) -> None:
        """Count the pod that an action has created or deleted."""
        match outcome.action:
            case CreatePod(node_type=node_type, cause=cause) if outcome.done:
                self._created[node_type, cause].inc()
            case DeletePod(node_type=node_type, cause=cause) if outcome.done:
                self._deleted[node_type, cause].inc()

    async def watch_loop(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Record how late the event loop is, until cancelled."""
        while True:
            asked = perf_counter()
            await sleep(LAG_SECONDS)
            self._lag.observe(max(perf_counter() - asked - LAG_SECONDS, 0.0))

    def _passed(self, result: str, started: float) -> None:
        self._results[result].inc()
        self._duration.observe(perf_counter() - started)

    def _counter(self, of: Definition) -> Counter:
        return Counter(of.name, of.help, of.labels, registry=self.registry)

    def _histogram(self, of: Definition) -> Histogram:
        return Histogram(of.name, of.help, buckets=of.buckets, registry=self.registry)


class _PodCounter(dict[tuple[str, Cause], Counter]):
    """The series of a counter by node type and cause; a combination that is new gets one of its own."""

    def __init__(self, counter: Counter, causes: Mapping[str, Sequence[Cause]]) -> None:
        self._counter = counter
        super().__init__()
        for node_type, each in causes.items():
            for cause in each:
                self[node_type, cause].inc(0)

    def __missing__(self, place: tuple[str, Cause]) -> Counter:
        node_type, cause = place
        series = self[place] = self._counter.labels(node_type, cause.value.replace(" ", "_"))
        return series


def _result(done: Done | Retry) -> str:
    if isinstance(done, Retry):
        return "retry"
    return "success" if done.requeue_after is None else "requeue_after"
