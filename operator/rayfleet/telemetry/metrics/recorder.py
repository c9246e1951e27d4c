"""What is recorded while the operator works, at a few hundred nanoseconds per record."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from rayfleet.engine.workqueue import Done, Retry, Work
from rayfleet.kube.objects.keys import Key
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.definition import Definition

LAG_SECONDS = 0.5
"""Between measurements of the event loop."""

# A creation time for each counter would double the series, and Prometheus does not read it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here


class Recorder:
    """Counters and histograms of one operator, in a registry of its own.

    Every series exists from the start, at 0, so that its first increase shows as one.
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

    def series(self, metric: Definition, places: Iterable[tuple[str, ...]]) -> "Series":
        """A new counter, with the series of these labels at 0."""
        return Series(self._counter(metric), places)

    def timed(self, work: Work) -> Work:
        """`work`, with the duration and the result of each pass recorded."""

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

    async def watch_loop(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Record how late the event loop is, until cancelled."""
        while True:
            asked = perf_counter()
            await sleep(LAG_SECONDS)
            self._lag.observe(max(perf_counter() - asked - LAG_SECONDS, 0.0))

    def _passed(self, result: str, started: float) -> None:
        self._results[result].inc()
        self._duration.observe(perf_counter() - started)

    def _counter(self, metric: Definition) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def _histogram(self, metric: Definition) -> Histogram:
        return Histogram(metric.name, metric.help, buckets=metric.buckets, registry=self.registry)


class Series(dict[tuple[str, ...], Counter]):
    """The series of a counter by their labels; a new combination gets a new series."""

    def __init__(self, counter: Counter, places: Iterable[tuple[str, ...]]) -> None:
        self._counter = counter
        super().__init__()
        for place in places:
            self[place].inc(0)

    def __missing__(self, place: tuple[str, ...]) -> Counter:
        series = self[place] = self._counter.labels(*place)
        return series


def _result(done: Done | Retry) -> str:
    if isinstance(done, Retry):
        return "retry"
    return "success" if done.requeue_after is None else "requeue_after"
