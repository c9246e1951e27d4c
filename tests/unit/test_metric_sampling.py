"""Queries are sent repeatedly; they cause passes only when replicas change."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from rayfleet.api.raycluster.autoscaler_options import Metric
from rayfleet.autoscaling.metrics import (
    HOLD_SECONDS,
    MetricQuery,
    MetricReplicas,
    QueryFailure,
    parse_template,
)
from rayfleet.kinds.raycluster.sources.sampler import QUESTIONS_PER_SERVER, MetricSampler
from rayfleet.kube.objects.keys import Key

KEY = Key("RayCluster", "team-a", "demo")
DOWN = QueryFailure("the query 'a' failed: HTTP 503")


def metric(query: str = "a", target: int = 5, group: str = "gpu") -> Metric:
    return Metric(type="Prometheus", query=query, target_value=target, worker_group=group)


@dataclass
class Scene:
    """A sampler with scripted servers and a scripted clock."""

    answers: dict[str, float | QueryFailure] = field(default_factory=lambda: {"a": 0.0, "b": 0.0})
    asked: dict[tuple[str, Key], int] = field(default_factory=lambda: defaultdict(int))
    changed: list[Key] = field(default_factory=list)
    now: float = 1_800_000_000.0
    hung: set[str] = field(default_factory=set)
    under_way: int = 0
    most_under_way: int = 0

    def __post_init__(self) -> None:
        queries = {
            name: MetricQuery(name, f"http://{name}", parse_template("vector(1)")) for name in self.answers
        }
        self.sampler = MetricSampler(
            queries, self.ask, self.changed.append, clock=lambda: self.now, interval=0.005
        )

    async def ask(self, query: MetricQuery, namespace: str, cluster: str) -> float | QueryFailure:
        self.asked[query.name, Key("RayCluster", namespace, cluster)] += 1
        if query.name in self.hung:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            await asyncio.Event().wait()
        return self.answers[query.name]

    def replicas(self) -> MetricReplicas:
        (replicas,) = self.sampler.metric_replicas(KEY)
        return replicas

    async def asked_again(self, query: str = "a", key: Key = KEY) -> None:
        """Wait until the current answers have been read."""
        count = self.asked[query, key]
        await until(f"{query} to be asked for {key}", lambda: self.asked[query, key] >= count + 2)


async def until(what: str, holds: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, (
            f"timed out after {seconds:g} s waiting for {what}"
        )
        await asyncio.sleep(0.001)


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    task = asyncio.create_task(scene.sampler.run())
    try:
        yield scene
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_only_a_change_in_replicas_causes_a_pass() -> None:
    """Not each new value does, because a queue changes all the time."""
    async with running(Scene()) as scene:
        scene.answers["a"] = 11.0
        scene.sampler.follow(KEY, (metric(),))
        assert (scene.replicas().replicas, scene.replicas().known) == (None, False)
        await scene.asked_again()
        assert (scene.replicas().replicas, scene.changed) == (3, [KEY])
        scene.answers["a"] = 14.0
        await scene.asked_again()
        assert (scene.replicas().replicas, scene.changed) == (3, [KEY])
        scene.answers["a"] = 16.0
        await scene.asked_again()
        assert (scene.replicas().replicas, scene.changed) == (4, [KEY, KEY])


async def test_a_failure_causes_a_pass_at_its_start_and_end_and_when_the_answer_is_too_old() -> None:
    """Not each attempt does; the last answer counts until it is too old."""
    async with running(Scene()) as scene:
        scene.answers["a"] = 11.0
        scene.sampler.follow(KEY, (metric(),))
        await scene.asked_again()
        scene.changed.clear()
        scene.answers["a"] = DOWN
        began = scene.now = scene.now + 1
        await scene.asked_again()
        scene.answers["a"] = QueryFailure("the query 'a' failed: no answer within 5 s")
        scene.now += 5
        await scene.asked_again()
        assert (scene.replicas().replicas, scene.replicas().known, scene.changed) == (3, True, [KEY])
        assert [(fault.message, fault.since) for fault in scene.replicas().faults] == [(DOWN.message, began)]
        scene.now = began + HOLD_SECONDS
        await scene.asked_again()
        assert (scene.replicas().replicas, scene.replicas().known, scene.changed) == (None, False, [KEY] * 2)
        assert "no answer within 5 s" in str(scene.replicas().faults[0])
        scene.answers["a"] = 11.0
        await scene.asked_again()
        assert (scene.replicas().replicas, scene.replicas().known, scene.changed) == (3, True, [KEY] * 3)


async def test_a_server_that_hangs_starves_no_other() -> None:
    """The number of its open requests is bounded, however many clusters ask it."""
    async with running(Scene(hung={"b"})) as scene:
        keys = [Key("RayCluster", "team-a", f"demo-{number}") for number in range(5 * QUESTIONS_PER_SERVER)]
        for key in keys:
            scene.sampler.follow(key, (metric("a"), metric("b", group="cpu")))
        for key in keys:
            await scene.asked_again("a", key)
        assert scene.most_under_way == QUESTIONS_PER_SERVER


async def test_an_answer_expires_while_the_next_request_hangs() -> None:
    """Silence is noticed without an answer."""
    async with running(Scene()) as scene:
        scene.answers["a"] = 11.0
        scene.sampler.follow(KEY, (metric(),))
        await scene.asked_again()
        scene.hung.add("a")
        await until("the request to hang", lambda: scene.under_way == 1)
        scene.changed.clear()
        scene.now += HOLD_SECONDS + 1
        await until("a pass", lambda: scene.changed == [KEY])
        assert not scene.replicas().known


async def test_queries_that_nobody_follows_are_not_sent() -> None:
    """The cluster may be gone, the metric removed, or the query undefined."""
    async with running(Scene()) as scene:
        scene.sampler.follow(KEY, (metric("a"), metric("b", group="cpu"), metric("x", group="tpu")))
        await scene.asked_again("b")
        assert [each.known for each in scene.sampler.metric_replicas(KEY)] == [True, True, False]
        scene.sampler.follow(KEY, (metric("a"),))
        asked = scene.asked["b", KEY]
        await scene.asked_again("a")
        assert scene.asked["b", KEY] == asked
        assert len(scene.sampler.metric_replicas(KEY)) == 1
        scene.sampler.follow(KEY, ())
        asked = scene.asked["a", KEY]
        other = Key("RayCluster", "team-a", "other")
        scene.sampler.follow(other, (metric("a"),))
        await scene.asked_again("a", other)
        assert scene.asked["a", KEY] == asked
        assert scene.sampler.metric_replicas(KEY) == ()


async def test_metrics_that_are_already_followed_are_not_queried_twice() -> None:
    """Each pass repeats what it follows; two groups with one query share it."""
    async with running(Scene()) as scene:
        for _ in range(100):
            scene.sampler.follow(KEY, (metric("a"), metric("a", 10, "cpu")))
        await asyncio.sleep(0)
        assert scene.asked["a", KEY] == 1


async def test_a_defect_ends_the_sampler_and_with_it_the_process() -> None:
    """It must not silently end only one cluster's metrics."""
    scene = Scene()
    scene.answers.pop("b")
    scene.sampler.follow(KEY, (metric("b"),))
    with pytest.raises(KeyError):
        await scene.sampler.run()
    assert scene.sampler.metric_replicas(KEY) == ()
