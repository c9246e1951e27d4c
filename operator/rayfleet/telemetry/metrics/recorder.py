"""What is recorded while the operator works: a few hundred nanoseconds a record."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from rayfleet.engine.workqueue import Done, Retry, Work
from rayfleet.kube.objects.keys import Key
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.definitions import Definition

LAG_SECONDS = 0.5
"""Between looks at the event loop."""

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

    def series(self, of: Definition, places: Iterable[tuple[str, ...]]) -> "Series":
        """A counter of its own, with the series of these labels at 0."""
        return Series(self._counter(of), places)

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


class Series(dict[tuple[str, ...], Counter]):
    """The series of a counter by their labels; a combination that is new gets one of its own."""

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
