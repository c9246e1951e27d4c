"""A deleted cluster with KubeRay's finalizer: its pods go, then the finalizer, in bounded time."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import Cause, Plan, RemoveFinalizer, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from support.builders import NOW, UID, cluster, head, snapshot, spec, worker

REDIS = "ray.io/gcs-ft-redis-cleanup-finalizer"


def deleted(seconds: float = 1, *, finalizers: tuple[str, ...] = (REDIS,), **changes: Any) -> Root:
    """A cluster whose deletion began so long ago."""
    of = replace(cluster(deleting=True), deleted=NOW - seconds, finalizers=frozenset(finalizers))
    return replace(of, **changes)


def unreadable(of: Root) -> Snapshot:
    """A snapshot of a cluster whose spec may be anything."""
    return replace(snapshot(cluster()), cluster=of, spec=None)


def removed(decided: Plan) -> list[str]:
    """The message for each removed finalizer."""
    return [action.reason for action in decided.actions if isinstance(action, RemoveFinalizer)]


def pods_of(of: Root, **changes: Any) -> list[Pod]:
    return [head(of, **changes), *(worker(of, n, **changes) for n in (1, 2, 3))]


def test_its_pods_are_deleted_and_the_finalizer_stays_until_they_are_gone() -> None:
    """Pods write to Redis as long as they live."""
    of = deleted()
    decided = plan(snapshot(of, pods_of(of)))
    assert [d.uid for d in decided.deletes] == [pod.uid for pod in pods_of(of)]
    assert {d.cause for d in decided.deletes} == {Cause.CLUSTER_DELETED}
    assert removed(decided) == []
    going = plan(snapshot(of, pods_of(of, deleting=True)))
    assert going.actions == ()
    assert going.requeue_after == 299


def test_without_pods_the_finalizer_goes_and_the_rest_in_redis_is_reported() -> None:
    """The message names the key of the state, which the user may delete."""
    (words,) = removed(plan(snapshot(deleted())))
    assert words == (
        f"this cluster's data in Redis, under the name {UID}, was not deleted: delete its keys there"
    )


@pytest.mark.parametrize(
    ("fields", "annotations", "name"),
    [
        ({"externalStorageNamespace": "team-a"}, {}, "team-a"),
        ({}, {"ray.io/external-storage-namespace": "team-b"}, "team-b"),
        (7, {}, UID),
        ({"externalStorageNamespace": "x" * 9999}, {}, "x" * 253),
    ],
)
def test_the_reported_key_is_that_of_the_spec(fields: object, annotations: dict[str, str], name: str) -> None:
    """The rest of the spec may be anything."""
    of = deleted(spec={"gcsFaultToleranceOptions": fields}, annotations=annotations)
    (words,) = removed(plan(unreadable(of)))
    assert f"under the name {name}," in words


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(None, 300), ("60", 60), ("0", 300), ("-1", 300), ("soon", 300), ("9" * 5000, 300), ("99999", 86_400)],
)
def test_a_pod_that_never_ends_holds_the_cluster_for_a_bounded_time(
    timeout: str | None, seconds: int
) -> None:
    """Its node may be gone; KubeRay's annotation sets the time."""
    annotations = {} if timeout is None else {"ray.io/gcs-ft-deletion-timeout": timeout}
    before, after = (deleted(seconds + late, annotations=annotations) for late in (-1, 0))
    stuck = [worker(before, 1, deleting=True)]
    assert plan(snapshot(before, stuck)).requeue_after == 1
    assert plan(snapshot(before, stuck)).actions == ()
    (words,) = removed(plan(snapshot(after, stuck)))
    assert words.endswith("; 1 pod had not ended by then")


def test_a_cluster_whose_pods_are_to_be_orphaned_keeps_them() -> None:
    """After `kubectl delete --cascade=orphan` they are about to lose their owner."""
    of = deleted(finalizers=(REDIS, "orphan"))
    decided = plan(snapshot(of, pods_of(of)))
    assert decided.deletes == ()
    (words,) = removed(decided)
    assert "so they stay" in words


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(deleted(finalizers=()), id="no finalizer of KubeRay's"),
        pytest.param(replace(cluster(), finalizers=frozenset({REDIS})), id="not deleted"),
        pytest.param(deleted(spec=spec(managedBy="kueue.x-k8s.io/multikueue")), id="another controller's"),
    ],
)
def test_any_other_cluster_is_not_touched(of: Root) -> None:
    """A finalizer on a living cluster does not matter, and one of others is theirs."""
    decided = plan(snapshot(of, pods_of(of)))
    assert decided.actions == ()


def test_a_cluster_of_a_living_other_operator_is_left_to_it() -> None:
    """That operator cleans up by itself."""
    of = deleted()
    assert plan(snapshot(of, pods_of(of), other_operator="ml/ray-operator-leader")).actions == ()


def test_an_invalid_spec_does_not_delay_the_deletion() -> None:
    """Nothing is created any more, so the spec is not needed."""
    of = deleted(spec={})
    assert removed(plan(unreadable(of)))
