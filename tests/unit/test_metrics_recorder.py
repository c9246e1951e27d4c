"""Metrics that are recorded while the operator works."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rayfleet.engine.outcome import Failed, NotTried, Succeeded
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.plan import Action, Cause, CreatePod, DeletePod, plan
from rayfleet.kinds.raycluster.pod_counts import PodCounts
from rayfleet.kube.objects.keys import Key
from rayfleet.telemetry.metrics import Recorder
from support.builders import NOW, cluster, group, head, ray_ended, snapshot, spec, worker

KEY = Key("RayCluster", "ml", "demo")
REFUSED = ApiFailure(403, "Forbidden", "exceeded quota")


def value(recorder: Recorder, name: str, **labels: str) -> float | None:
    return recorder.registry.get_sample_value(name, labels)


def of_reason(recorder: Recorder, name: str) -> dict[tuple[str, str], float]:
    """What a counter of pods has counted, by node type and reason, without the zeros."""
    return {
        (sample.labels["node_type"], sample.labels["reason"]): sample.value
        for family in recorder.registry.collect()
        for sample in family.samples
        if sample.name == name and sample.value
    }


@pytest.mark.parametrize(
    ("done", "result"),
    [(Done(), "success"), (Done(requeue_after=1), "requeue_after"), (Retry("not yet"), "retry")],
)
async def test_a_pass_is_counted_by_its_result(done: Done | Retry, result: str) -> None:
    """The recorder returns the result of the pass."""

    async def work(_: Key) -> Done | Retry:
        return done

    recorder = Recorder()
    assert await recorder.timed(work)(KEY) == done
    assert value(recorder, "rayfleet_reconcile_total", result=result) == 1
    assert value(recorder, "rayfleet_reconcile_duration_seconds_count") == 1


async def test_an_exception_counts_as_an_error_and_is_raised_again() -> None:
    """The work queue handles it."""

    async def work(_: Key) -> Done:
        raise ZeroDivisionError

    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        await recorder.timed(work)(KEY)
    assert value(recorder, "rayfleet_reconcile_total", result="error") == 1


async def test_the_duration_of_a_pass_includes_its_waits() -> None:
    """It is wall time: a slow API server shows."""

    async def work(_: Key) -> Done:
        await asyncio.sleep(0.02)
        return Done()

    recorder = Recorder()
    await recorder.timed(work)(KEY)
    assert (value(recorder, "rayfleet_reconcile_duration_seconds_sum") or 0) >= 0.019


def test_only_successful_actions_count_as_created_or_deleted() -> None:
    """Refused and unsent actions do not count."""
    recorder = Recorder()
    counts = PodCounts(recorder)
    create = CreatePod("worker", "gpu", "x", "hash", {}, "3 pods fewer than wanted")
    for outcome in (Succeeded(create), Failed(create, REFUSED), NotTried(create)):
        counts.count(outcome)
    assert of_reason(recorder, "rayfleet_pods_created_total") == {("worker", "missing"): 1}


def test_every_reason_that_the_planner_gives_can_be_counted() -> None:
    """The plan has an action for each reason."""
    of = cluster(spec(group("gpu", 1, scaleStrategy={"workersToDelete": ["demo-gpu-worker-asked"]})))
    replaced = [head(of, end=ray_ended(), created=NOW - 100)]
    crowd = [
        head(of),
        head(of, epoch=1),
        worker(of, 1),
        worker(of, 2),
        worker(of, 3, name="demo-gpu-worker-asked"),
        worker(of, 4, phase="Failed", created=NOW - 100),
        worker(of, 1, group_name="gone"),
    ]
    recorder = Recorder()
    counts = PodCounts(recorder)
    for pods in ([], replaced, crowd):
        for action in plan(snapshot(of, pods)).actions:
            counts.count(Succeeded(action))
    assert of_reason(recorder, "rayfleet_pods_created_total") == {
        ("head", "missing"): 1,
        ("head", "replacement"): 1,
        ("worker", "missing"): 2,
    }
    assert of_reason(recorder, "rayfleet_pods_deleted_total") == {
        ("head", "ended"): 1,
        ("head", "superseded"): 1,
        ("worker", "ended"): 1,
        ("worker", "surplus"): 1,
        ("worker", "requested"): 1,
        ("worker", "group_removed"): 1,
    }


@pytest.mark.parametrize(
    "action",
    [
        CreatePod("worker", "gpu", "x", "hash", {}, "why", Cause.REPLACEMENT),
        DeletePod("head", "headgroup", "x", "uid", Cause.REQUESTED, "why"),
    ],
)
def test_a_new_reason_is_still_counted(action: Action) -> None:
    """A metric must never stop a pass."""
    recorder = Recorder()
    PodCounts(recorder).count(Succeeded(action))
    found = {
        **of_reason(recorder, "rayfleet_pods_created_total"),
        **of_reason(recorder, "rayfleet_pods_deleted_total"),
    }
    assert sum(found.values()) == 1


def test_every_series_exists_before_its_first_increase() -> None:
    """Prometheus sees an increase from 0 only if there was a 0."""
    recorder = Recorder()
    PodCounts(recorder)
    assert value(recorder, "rayfleet_pods_created_total", node_type="head", reason="replacement") == 0
    assert value(recorder, "rayfleet_reconcile_total", result="error") == 0


def test_two_operators_of_a_process_count_each_for_itself() -> None:
    """They share no registry."""
    one, other = Recorder(), Recorder()
    counts = [PodCounts(each) for each in (one, other)]
    counts[0].count(Succeeded(CreatePod("head", "headgroup", "x", "hash", {}, "why")))
    assert of_reason(one, "rayfleet_pods_created_total")
    assert not of_reason(other, "rayfleet_pods_created_total")


async def test_a_loop_that_was_held_up_shows_a_lag_of_that_length() -> None:
    """Here a sleep returns too late."""
    recorder, looks = Recorder(), 0

    async def late(seconds: float) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(seconds + 0.05 if looks == 1 else 3600)

    async with asyncio.timeout(5):
        watching = asyncio.create_task(recorder.watch_loop(late))
        while looks < 2:
            await asyncio.sleep(0.01)
        await _cancelled(watching.cancel, watching)
    assert value(recorder, "rayfleet_event_loop_lag_seconds_count") == 1
    assert (value(recorder, "rayfleet_event_loop_lag_seconds_sum") or 0) >= 0.049


async def _cancelled(cancel: Callable[[], bool], task: Awaitable[None]) -> None:
    cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
