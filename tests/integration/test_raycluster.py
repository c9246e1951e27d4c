"""The life of a RayCluster on a real API server; the test plays the kubelet."""

from typing import Any

from support.audit import operator_writes
from support.builders import group, raycluster, spec
from support.cluster_api import Namespace, ended
from support.operator_process import OperatorProcess
from support.testbed import RunningControlPlane
from support.waiting import eventually, throughout

HEAD = "ray.io/node-type=head"
WORKERS = "ray.io/node-type=worker"


def names(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def started(namespace: Namespace, *groups: dict[str, Any]) -> dict[str, Any]:
    """Apply a cluster and play the kubelet until it is ready."""
    namespace.apply(raycluster(spec_fields=spec(*groups)))
    wanted = 1 + sum(entry["replicas"] for entry in groups or (group(),))
    eventually("all pods", lambda: len(namespace.living_pods()) == wanted)
    namespace.make_ready()
    return eventually("the cluster to be ready", lambda: ready(namespace))


def ready(namespace: Namespace, name: str = "demo") -> dict[str, Any] | None:
    cluster = namespace.cluster(name)
    return cluster if cluster.get("status", {}).get("state") == "ready" else None


def test_a_start_takes_five_creates_two_status_writes_and_two_events(
    namespace: Namespace, operator: OperatorProcess, control_plane: RunningControlPlane
) -> None:
    """It has a head and three workers, and runs from apply to ready."""
    cluster = started(namespace)
    assert len(namespace.pods(HEAD)) == 1
    assert len(namespace.pods(WORKERS)) == 3
    assert [service["metadata"]["name"] for service in namespace.services()] == ["demo-head-svc"]
    assert cluster["status"]["readyWorkerReplicas"] == 3
    assert sorted(event["note"] for event in namespace.events()) == [
        "Created 1 pod in group headgroup: the cluster has no head",
        "Created 3 pods in group gpu: 3 pods fewer than wanted",
    ]
    if control_plane.audit_log is not None:
        writes = operator_writes(control_plane.audit_log, namespace.name)
        assert writes.pop("patch rayclusters/status") <= 2
        assert writes == {"create pods": 4, "create services": 1, "create events": 2}
    assert operator.runs


def test_a_group_is_scaled_up_and_down(namespace: Namespace, operator: OperatorProcess) -> None:
    """Scale-down deletes the pending pod first, then the newest."""
    started(namespace, group(replicas=2))
    oldest = names(namespace.pods(WORKERS))
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=4)]})
    eventually("four workers", lambda: len(namespace.living_pods(WORKERS)) == 4)
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=2)]})
    eventually("two workers", lambda: len(namespace.pods(WORKERS)) == 2)
    assert names(namespace.pods(WORKERS)) == oldest
    assert operator.runs


def test_a_group_that_is_added_appears_and_one_that_is_removed_goes(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The head and the other group are not touched."""
    started(namespace, group("a", replicas=2))
    kept = names(namespace.pods())
    namespace.patch("demo", {"workerGroupSpecs": [group("a", replicas=2), group("b", replicas=1)]})
    eventually("the new group's pod", lambda: len(namespace.living_pods("ray.io/group=b")) == 1)
    namespace.patch("demo", {"workerGroupSpecs": [group("a", replicas=2)]})
    eventually("the removed group's pod to go", lambda: not namespace.pods("ray.io/group=b"))
    assert names(namespace.pods()) == kept
    assert operator.runs


def test_workers_to_delete_takes_its_own_pods_only(namespace: Namespace, operator: OperatorProcess) -> None:
    """Whatever names a user writes there, no pod of another owner is deleted."""
    started(namespace)
    container = {"name": "x", "image": "x"}
    namespace.create("pods", {"metadata": {"name": "bystander"}, "spec": {"containers": [container]}})
    victim = min(names(namespace.pods(WORKERS)))
    strategy = {"workersToDelete": [victim, "bystander"]}
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=2, scaleStrategy=strategy)]})
    eventually("the named worker to go", lambda: victim not in names(namespace.pods(WORKERS)))
    throughout("two workers and the bystander stay", lambda: len(namespace.pods("")) == 4, seconds=1)
    assert operator.runs


def test_a_worker_that_is_deleted_or_fails_is_replaced(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The replacement has a new name, and the failed pod is removed."""
    started(namespace, group(replicas=2))
    deleted, failed = sorted(names(namespace.pods(WORKERS)))
    namespace.delete_pod(deleted)
    eventually("a replacement of the deleted pod", lambda: len(namespace.living_pods(WORKERS)) == 2)
    namespace.set_pod_status(failed, ended())
    # It was just created; a pod that ends at once is replaced ten seconds after its creation.
    eventually(
        "the failed pod to be removed", lambda: failed not in names(namespace.pods(WORKERS)), seconds=20
    )
    eventually("a replacement of the failed pod", lambda: len(namespace.living_pods(WORKERS)) == 2)
    assert not {deleted, failed} & names(namespace.pods(WORKERS))
    assert operator.runs


def test_a_head_that_is_gone_is_replaced_under_the_next_epoch(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """Its workers are left alone."""
    started(namespace, group(replicas=2))
    workers, old = names(namespace.pods(WORKERS)), names(namespace.pods(HEAD))
    namespace.delete_pod(old.copy().pop())
    eventually("another head", lambda: (h := names(namespace.living_pods(HEAD))) and not h & old)
    assert namespace.cluster("demo")["status"]["headEpoch"] == 1
    assert names(namespace.pods(WORKERS)) == workers
    assert operator.runs


def test_a_head_that_lost_its_labels_is_not_doubled(namespace: Namespace, operator: OperatorProcess) -> None:
    """It is out of view and still alive; once it is gone the next one is created."""
    started(namespace, group(replicas=1))
    old = names(namespace.pods(HEAD)).pop()
    namespace.label_pod(old, {"ray.io/cluster": None})
    namespace.delete_pod(names(namespace.pods(WORKERS)).pop())
    eventually("the operator to act", lambda: len(namespace.living_pods(WORKERS)) == 1)
    throughout("there is no other head", lambda: names(namespace.pods(HEAD)) == {old}, seconds=2)
    namespace.label_pod(old, {"ray.io/cluster": "demo"})
    namespace.delete_pod(old)
    eventually("another head", lambda: (h := names(namespace.living_pods(HEAD))) and old not in h)
    assert operator.runs


def test_ready_follows_the_current_state_and_state_does_not(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """A worker that stops being ready makes `Ready` False."""
    started(namespace, group(replicas=1))
    worker = names(namespace.pods(WORKERS)).pop()
    conditions = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
    namespace.set_pod_status(worker, {"conditions": conditions})
    eventually("Ready to be False", lambda: namespace.condition("demo", "Ready").get("status") == "False")
    assert namespace.cluster("demo")["status"]["state"] == "ready"
    assert operator.runs


def test_deleting_the_cluster_leaves_nothing(namespace: Namespace, operator: OperatorProcess) -> None:
    """The garbage collector deletes the children; the operator creates no new ones meanwhile."""
    started(namespace)
    namespace.delete_cluster("demo")
    eventually(
        "pods and Service to go", lambda: not namespace.pods("") and not namespace.services(), seconds=30
    )
    throughout("nothing comes back", lambda: not namespace.pods(""), seconds=1)
    assert operator.runs
