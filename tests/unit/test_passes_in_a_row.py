"""Work that one pass leaves, and when the next one does it."""

import itertools
import threading
from typing import Any

import pytest

from rayfleet.engine.workqueue import Done
from rayfleet.kinds.raycluster.actions import Cause, DeletePod, DrainNode, Plan
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan.limits import MOST_CREATES, MOST_DELETES
from rayfleet.kinds.raycluster.snapshot import Snapshot
from support.builders import NOW, group, raycluster, service, spec
from support.passes import CLUSTER, KEY, PODS, passes
from support.wire import says


async def test_creates_that_a_pass_leaves_are_made_by_the_next_at_once() -> None:
    """The answers to creates are in the cache before their events, which then wake nobody."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=MOST_CREATES + 50, maxReplicas=1000)))
        first, second = await bed.reconciler.reconcile(KEY), await bed.reconciler.reconcile(KEY)
        assert first == Done(requeue_after=0.0)
        assert bed.api.writes.count(f"POST {PODS}") == MOST_CREATES + 50 + 1
        assert isinstance(second, Done)
        assert second.requeue_after != 0.0


@pytest.mark.parametrize("shows", [True, False])
async def test_deletes_that_a_pass_leaves_are_made_by_the_next_at_once(*, shows: bool) -> None:
    """If the answers do not show the pods, the next pass waits for their events."""
    many = MOST_DELETES + 10
    async with passes() as bed:
        bed.stored(spec(group(replicas=many, maxReplicas=many)))
        bed.head()
        workers = [bed.worker(index) for index in range(1, many + 1)]
        bed.stored(spec(group(replicas=0, maxReplicas=many)), version=1100)
        if shows:
            for pod in workers:
                bed.api.answers["DELETE", f"{PODS}/{pod['metadata']['name']}"] = says(going(pod))
        assert (await bed.reconciler.reconcile(KEY) == Done(requeue_after=0.0)) is shows
        assert len([line for line in bed.api.writes if line.startswith("DELETE")]) == MOST_DELETES
        assert await bed.reconciler.reconcile(KEY) != Done(requeue_after=0.0)
        asked = {line for line in bed.api.writes if line.startswith("DELETE")}
        assert len(asked) == (many if shows else MOST_DELETES)


def going(pod: dict[str, Any]) -> dict[str, Any]:
    """The answer to a delete of a pod with a grace period."""
    late = {"resourceVersion": "9000", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    return {**pod, "kind": "Pod", "metadata": {**pod["metadata"], **late}}


async def test_between_two_batches_of_deletes_the_spec_is_read_again() -> None:
    """A slip to `replicas: 0` that is set back costs the first batch alone."""
    async with passes() as bed:
        many = MOST_DELETES * 3
        bed.stored(spec(group(replicas=0, maxReplicas=many)))
        pods = [bed.head(), *(bed.worker(index) for index in range(1, many + 1))]
        bed.services.apply(service(bed.cluster))
        bed.api.answers["GET", PODS] = says({"items": pods, "metadata": {"resourceVersion": "2000"}})
        for pod in pods:
            bed.api.answers["DELETE", f"{PODS}/{pod['metadata']['name']}"] = says(going(pod))
        assert await bed.reconciler.reconcile(KEY) == Done(requeue_after=0.0)
        assert sum(line.startswith("DELETE") for line in bed.api.writes) == MOST_DELETES
        # The user has set it back, and no watch has shown it yet.
        back = raycluster(spec_fields=spec(group(replicas=many, maxReplicas=many)))
        own = {"generation": 2, "resourceVersion": "9000"}
        bed.api.there[CLUSTER] = back | {"metadata": bed.api.there[CLUSTER]["metadata"] | own}
        await bed.reconciler.reconcile(KEY)
        assert sum(line.startswith("DELETE") for line in bed.api.writes) == MOST_DELETES


DRAIN = DrainNode("workers", "w0", b"n0", "idle")


def delete(name: str) -> DeletePod:
    return DeletePod("worker", "workers", name, f"uid-{name}", Cause.SURPLUS, "1 pod more than desired")


async def test_a_drain_that_cannot_be_tried_is_not_repeated_at_once() -> None:
    """There is no head that could drain."""
    async with passes() as bed:
        bed.stored()
        bed.decide = lambda _: Plan(drains=(DRAIN,))
        assert await bed.reconciler.reconcile(KEY) != Done(requeue_after=0.0)


async def test_a_drain_that_cannot_be_tried_delays_no_other_work() -> None:
    async with passes() as bed:
        bed.stored()
        names = itertools.count()
        bed.decide = lambda _: Plan(drains=(DRAIN,), deletes=(delete(f"w{next(names)}"),))
        assert await bed.reconciler.reconcile(KEY) == Done(requeue_after=0.0)


async def test_a_long_plan_is_made_in_a_thread_and_no_pass_is_repeated_at_once() -> None:
    """The answer to a delete may say that the pod is gone while its event is late."""
    made_in: list[str] = []
    async with passes() as bed:

        def decide(_: Snapshot) -> Plan:
            made_in.append(threading.current_thread().name)
            return Plan(deletes=(delete("w0"),))

        bed.decide = decide
        large = spec(group())
        large["workerGroupSpecs"][0]["template"]["metadata"] = {"annotations": {"x": "y" * (64 << 10)}}
        bed.stored(large)
        assert await bed.reconciler.reconcile(KEY) == Done(requeue_after=0.0)
        assert await bed.reconciler.reconcile(KEY) != Done(requeue_after=0.0)
        assert threading.current_thread().name not in made_in


@pytest.mark.parametrize("scales", [True, False])
async def test_a_cluster_that_scales_is_followed_by_its_pods_as_they_are_now(*, scales: bool) -> None:
    """A head that has become ready is polled only from the next pass on."""
    async with passes() as bed:
        bed.stored(spec(group(), enableInTreeAutoscaling=scales))
        before = bed.view.snapshot(bed.cluster, ClusterMemory(), None, NOW)
        bed.head()
        after = bed.view.snapshot(bed.cluster, ClusterMemory(), None, NOW)
        assert bed.kind.has_followed(before, after, bed.kind.plan(after)) is not scales
        assert bed.kind.has_followed(after, after, bed.kind.plan(after))
