"""Which clusters are acted on, and when another operator goes first."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from support.builders import raycluster, spec
from support.cluster_api import Namespace
from support.operator_process import OperatorProcess
from support.waiting import eventually, throughout

DURATION = 3


@contextmanager
def other_operator(namespace: Namespace) -> Iterator[None]:
    """Another operator's leader: holds its Lease and renews it every half second."""
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ray-operator-leader"},
        "spec": {"holderIdentity": "kuberay-1", "leaseDurationSeconds": DURATION},
    }
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace.name}/leases"
    namespace.api.call("POST", leases, lease)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(0.5):
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            namespace.api.call(
                "PATCH",
                f"{leases}/ray-operator-leader",
                {"spec": {"renewTime": now}},
                content_type="application/merge-patch+json",
            )

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()


def pods_of(namespace: Namespace, name: str) -> int:
    return len(namespace.living_pods(f"ray.io/cluster={name}"))


def test_while_another_operator_is_alive_only_clusters_named_ours_are_acted_on(
    namespace: Namespace, stopped_operator: OperatorProcess
) -> None:
    """The others say why, and are taken over when its Lease has expired."""
    with other_operator(namespace):
        stopped_operator.start()
        namespace.apply(raycluster("shared"))
        namespace.apply(raycluster("ours", spec_fields=spec(managedBy="rayfleet.io/operator")))
        eventually("the pods of ours", lambda: pods_of(namespace, "ours") == 4)
        condition = eventually("a word on the shared one", lambda: namespace.condition("shared", "Managed"))
        assert condition["status"] == "False"
        assert f"{namespace.name}/ray-operator-leader" in condition["message"]
        throughout("that the shared one is left alone", lambda: pods_of(namespace, "shared") == 0, seconds=4)
    eventually("the shared one to be taken over", lambda: pods_of(namespace, "shared") == 4)
    eventually("the condition to go", lambda: not namespace.condition("shared", "Managed"))
    assert stopped_operator.runs


def test_a_cluster_of_another_controller_is_never_written_to(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """Not even a condition."""
    namespace.apply(raycluster("theirs", spec_fields=spec(managedBy="kueue.x-k8s.io/multikueue")))
    namespace.apply(raycluster("ours"))
    eventually("the pods of ours", lambda: pods_of(namespace, "ours") == 4)
    assert pods_of(namespace, "theirs") == 0
    assert not namespace.cluster("theirs").get("status", {}).get("conditions")
    assert operator.runs


def test_a_suspended_cluster_gets_no_pods_and_says_so(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """As Kueue creates it, before there is quota; once it is let go it starts."""
    namespace.apply(raycluster(spec_fields=spec(suspend=True)))
    condition = eventually("a word", lambda: namespace.condition("demo", "Supported"))
    assert "spec.suspend" in condition["message"]
    assert not namespace.pods()
    namespace.patch("demo", {"suspend": False})
    eventually("its pods", lambda: pods_of(namespace, "demo") == 4)
    assert operator.runs
