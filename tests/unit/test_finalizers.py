"""Removing the finalizer of a deleted cluster, against a scripted API server."""

from asyncio import StreamWriter
from typing import Any

import pytest

from rayfleet.kinds.raycluster.actions import FINALIZER_REMEDY as REMEDY
from support.builders import NOW
from support.passes import CLUSTER, KEY, PODS, Passes, passes
from support.scripted_api import not_there
from support.wire import fails, says

REDIS = "ray.io/gcs-ft-redis-cleanup-finalizer"
DELETED: dict[str, Any] = {"deletionTimestamp": "2027-01-15T08:00:00Z", "finalizers": ["a.b/c", REDIS]}
GONE_ON = {"metadata": {"resourceVersion": "1800", "finalizers": ["a.b/c"]}}


def removed(bed: Passes) -> list[Any]:
    return bed.api.bodies("PATCH", "/rayclusters/demo")


def events(bed: Passes) -> list[tuple[str, str]]:
    return [(event["type"], event["reason"]) for event in bed.api.bodies("POST", "/events")]


def without(obj: dict[str, Any]) -> dict[str, Any]:
    """The object without that finalizer."""
    metadata = {**obj["metadata"], **GONE_ON["metadata"]}
    return {**obj, "metadata": metadata}


async def test_pods_are_deleted_first_and_then_only_the_finalizer_is_removed() -> None:
    """An event says what was not cleaned up; at rest nothing more is written."""
    async with passes() as bed:
        obj = bed.stored(**DELETED)
        pods = [bed.head(), bed.worker(1)]
        await bed.reconciler.reconcile(KEY)
        names = [pod["metadata"]["name"] for pod in pods]
        assert sorted(bed.api.writes) == sorted(f"DELETE {PODS}/{name}" for name in names)
        assert sorted(events(bed)) == [("Normal", "DeletedHeadPod"), ("Normal", "DeletedWorkerPod")]

        for pod in pods:
            bed.pods.remove(KEY.namespace, pod["metadata"]["name"], pod["metadata"]["uid"])
        bed.api.requests.clear()
        bed.api.answers["PATCH", CLUSTER] = says(without(obj))
        await bed.reconciler.reconcile(KEY)
        assert removed(bed) == [
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": "1000"},
                {"op": "test", "path": "/metadata/finalizers/1", "value": REDIS},
                {"op": "remove", "path": "/metadata/finalizers/1"},
            ]
        ]
        assert events(bed) == [("Warning", "RedisNotCleanedUp")]

        bed.api.requests.clear()
        await bed.reconciler.reconcile(KEY)
        assert bed.api.writes == []


async def test_a_concurrent_write_does_not_stop_the_removal() -> None:
    """The object is read again, and its present list counts."""
    async with passes() as bed:
        obj = bed.stored(**DELETED)
        alone = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1700", "finalizers": [REDIS]}}

        async def too_late(writer: StreamWriter) -> None:
            bed.api.there[CLUSTER] = alone
            bed.api.answers["PATCH", CLUSTER] = says(without(obj))
            await fails(422, "Invalid", "the server rejected our request")(writer)

        bed.api.answers["PATCH", CLUSTER] = too_late
        await bed.reconciler.reconcile(KEY)
        places = [patch[-1]["path"] for patch in removed(bed)]
        assert places == ["/metadata/finalizers/1", "/metadata/finalizers/0"]
        assert events(bed) == [("Warning", "RedisNotCleanedUp")]


async def test_a_finalizer_that_somebody_else_has_removed_is_not_removed_again() -> None:
    """The cache lagged behind."""
    async with passes() as bed:
        obj = bed.stored(**DELETED)
        bed.api.there[CLUSTER] = without(obj)
        await bed.reconciler.reconcile(KEY)
        assert removed(bed) == []
        assert events(bed) == []


async def test_without_the_right_the_cluster_waits_and_the_remedy_is_reported_once() -> None:
    """A user can remove the finalizer by hand."""
    async with passes() as bed:
        bed.stored(**DELETED)
        for _ in range(2):
            bed.api.answers["PATCH", CLUSTER] = fails(403, "Forbidden", "cannot patch resource")
            assert "cannot patch resource" in str(await bed.reconciler.reconcile(KEY))
        (event,) = bed.api.bodies("POST", "/events")
        assert event["reason"] == "FailedToRemoveFinalizer"
        assert REMEDY in event["note"]


@pytest.mark.parametrize("answer", [not_there("rayclusters", "demo"), says(b"404 page not found", 404)])
async def test_a_cluster_that_is_gone_meanwhile_needs_nothing_more(answer: Any) -> None:  # noqa: ANN401 - an answer
    """Only an answer that names the cluster counts."""
    async with passes() as bed:
        bed.stored(**DELETED)
        bed.api.answers["PATCH", CLUSTER] = answer
        said = str(await bed.reconciler.reconcile(KEY))
        gone = events(bed) == [("Warning", "RedisNotCleanedUp")]
        assert gone is not said.startswith("Retry")


async def test_a_removed_finalizer_is_a_change() -> None:
    """A finalizer that we do not use wakes nobody."""
    async with passes() as bed:
        obj = bed.stored(**DELETED)
        changed = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1001", "finalizers": [REDIS]}}
        assert not bed.clusters.apply(changed)
        assert bed.clusters.apply(without(obj))
        assert bed.cluster.deleted == NOW
