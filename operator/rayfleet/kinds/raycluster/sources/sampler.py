"""Repeats the queries that clusters follow, and reports when the requested sizes have changed."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.raycluster.autoscaler_options import Metric
from rayfleet.autoscaling.metrics import (
    HOLD_SECONDS,
    MetricQuery,
    MetricReplicas,
    QueryFailure,
    Reading,
    metric_replicas,
)
from rayfleet.kube.objects.keys import Key

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 5.0
"""Least time between two runs of one query for one cluster."""
QUESTIONS_PER_SERVER = 8
"""Queries in flight at a time. Each server has its own limit, so a slow one delays only itself."""
_JITTER = 0.1

Ask: TypeAlias = Callable[[MetricQuery, str, str], Awaitable[float | QueryFailure]]
"""Takes a query, a namespace and a cluster: `PrometheusClient.ask`."""


class _Followed(Struct):
    """One cluster."""

    metrics: tuple[Metric, ...]
    readings: dict[str, Reading] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    worded_at: dict[str, float] = field(default_factory=dict)
    """When the message of a query's failure was last set: it does not change with each attempt."""
    reported: object = None
    """The relevant part of the requests for which `on_change` was last called."""


class MetricSampler:
    """Follows the metrics of clusters. Use it inside the event loop.

    `on_change` gets the key of a cluster when its requested replicas change, or when one of its queries
    starts or stops being answered. The last answer counts for HOLD_SECONDS, then the number is unknown.
    """

    def __init__(
        self,
        queries: Mapping[str, MetricQuery],
        ask: Ask,
        on_change: Callable[[Key], None],
        *,
        clock: Callable[[], float] = time.time,
        interval: float = SAMPLE_SECONDS,
    ) -> None:
        self._queries = queries
        self._ask = ask
        self._on_change = on_change
        self._clock = clock
        self._interval = interval
        self._clusters: dict[Key, _Followed] = {}
        self._gates: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(QUESTIONS_PER_SERVER)
        )
        self._broken: BaseException | None = None
        self._broke = asyncio.Event()

    def follow(self, key: Key, metrics: tuple[Metric, ...]) -> None:
        """Query these metrics of the cluster from now on; without metrics, forget it. Cheap to repeat."""
        if not metrics:
            self.forget(key)
            return
        followed = self._clusters.get(key)
        if followed is not None and followed.metrics == metrics:
            return
        followed = self._clusters.setdefault(key, _Followed(metrics))
        followed.metrics = metrics
        wanted = {metric.query for metric in metrics} & self._queries.keys()
        for name in followed.tasks.keys() - wanted:
            followed.tasks.pop(name).cancel()
            followed.readings.pop(name, None)
        for name in wanted - followed.tasks.keys():
            followed.tasks[name] = task = asyncio.create_task(self._sample(key, self._queries[name]))
            task.add_done_callback(self._ended)
        followed.reported = _matter(self.metric_replicas(key))

    def forget(self, key: Key) -> None:
        """The cluster is gone, or no longer follows metrics."""
        followed = self._clusters.pop(key, None)
        for task in followed.tasks.values() if followed is not None else ():
            task.cancel()

    def forget_all(self) -> None:
        """Another operator leads."""
        for key in list(self._clusters):
            self.forget(key)

    def metric_replicas(self, key: Key) -> tuple[MetricReplicas, ...]:
        """What a cluster's metrics ask for now; empty for a cluster that is not followed."""
        followed = self._clusters.get(key)
        if followed is None:
            return ()
        return metric_replicas(followed.metrics, followed.readings, self._queries.keys(), self._clock())

    async def run(self) -> None:
        """Notice answers that have become too old, until cancelled. Raises our own defects."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._broke.wait()
                if self._broken is not None:
                    raise self._broken
                for key in list(self._clusters):
                    self._notify(key)
        finally:
            self.forget_all()

    async def _sample(self, key: Key, query: MetricQuery) -> None:
        while True:
            async with self._gates[query.server]:
                answer = await self._ask(query, key.namespace, key.name)
            followed = self._clusters[key]
            before = followed.readings.get(query.name, Reading())
            followed.readings[query.name] = self._reading(followed, query.name, before, answer)
            self._notify(key)
            await asyncio.sleep(self._interval * (1 + _JITTER * random.random()))  # noqa: S311 - no secret

    def _reading(
        self, followed: _Followed, name: str, before: Reading, answer: float | QueryFailure
    ) -> Reading:
        now = self._clock()
        if not isinstance(answer, QueryFailure):
            if before.failing_since is not None:
                log.info("The query '%s' is answered again", name)
            return Reading(answer, now)
        if before.failing_since is None:
            log.warning("%s", answer.message)
            followed.worded_at[name] = now
            return replace(before, failing_since=now, error=answer.message)
        if now - followed.worded_at[name] < HOLD_SECONDS:
            return before
        followed.worded_at[name] = now
        return replace(before, error=answer.message)

    def _notify(self, key: Key) -> None:
        followed = self._clusters[key]
        matters = _matter(self.metric_replicas(key))
        if matters != followed.reported:
            followed.reported = matters
            self._on_change(key)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._broke.set()


def _matter(replicas: tuple[MetricReplicas, ...]) -> object:
    """What a pass decides by, without messages and times."""
    return [
        (each.group, each.replicas, each.known, [(fault.query, fault.held) for fault in each.faults])
        for each in replicas
    ]
