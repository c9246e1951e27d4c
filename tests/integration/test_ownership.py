"""Which clusters the operator acts on, and when it leaves them to another."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.builders import raycluster, spec
from support.cluster_api import ClusterApi, Namespace
from support.operator_process import Grants, OperatorProcess, service_account_kubeconfig
from support.other_operator import OtherOperator
from support.waiting import eventually, throughout

_numbers = itertools.count(1)


@pytest.fixture
def listed_operator(api: ClusterApi, namespace: Namespace, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator with the rights that the chart gives for `watchNamespaces`; it has not been started."""
    grants = Grants(api, f"owner-{next(_numbers)}")
    grants.give(namespace.name)
    grants.give(namespace.name, lease=True)
    kubeconfig = service_account_kubeconfig(api, tmp_path, account=grants.account)
    process = OperatorProcess(kubeconfig, tmp_path, ["--namespace", namespace.name])
    yield process
    process.kill()


def pods_of(namespace: Namespace, name: str) -> int:
    return len(namespace.living_pods(f"ray.io/cluster={name}"))


def test_while_another_operator_is_alive_only_clusters_managed_by_us_are_acted_on(
    namespace: Namespace, listed_operator: OperatorProcess
) -> None:
    """The status of the others says why; they are taken over once its Lease has expired."""
    with OtherOperator(namespace) as other:
        other.may_update(namespace.name)
        other.hold()
        listed_operator.start()
        namespace.apply(raycluster("shared"))
        namespace.apply(raycluster("ours", spec_fields=spec(managedBy="rayfleet.io/operator")))
        eventually("the pods of ours", lambda: pods_of(namespace, "ours") == 4)
        condition = eventually(
            "a message on the shared one", lambda: namespace.condition("shared", "Managed")
        )
        assert condition["status"] == "False"
        assert f"{namespace.name}/ray-operator-leader" in condition["message"]
        throughout("the shared one is left alone", lambda: pods_of(namespace, "shared") == 0, seconds=4)
    eventually("the shared one to be taken over", lambda: pods_of(namespace, "shared") == 4)
    eventually("the condition to go", lambda: not namespace.condition("shared", "Managed"))
    assert listed_operator.runs


def test_a_lease_whose_holder_could_not_act_holds_up_nothing(
    namespace: Namespace, listed_operator: OperatorProcess
) -> None:
    """Whoever may write Leases stops nobody; a metric and an event on the Lease show it."""
    with OtherOperator(namespace) as other:
        other.hold()
        listed_operator.start()
        namespace.apply(raycluster())
        eventually("the pods", lambda: pods_of(namespace, "demo") == 4)
        assert not namespace.condition("demo", "Managed")
        assert "rayfleet_other_operator_alive 0.0" in listed_operator.metrics()
        assert "rayfleet_other_operator_leases_ignored 1.0" in listed_operator.metrics()
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace.name}/events"
        eventually(
            "the event",
            lambda: [e for e in namespace.api.call("GET", path)["items"] if e["reason"] == "LeaseIgnored"],
        )


def test_an_operator_that_comes_later_is_respected_when_it_takes_its_lease(
    namespace: Namespace, listed_operator: OperatorProcess
) -> None:
    """Running clusters are left to it."""
    listed_operator.start()
    namespace.apply(raycluster("before"))
    eventually("its pods", lambda: pods_of(namespace, "before") == 4)
    with OtherOperator(namespace) as other:
        other.may_update(namespace.name)
        other.hold()
        eventually("a message", lambda: namespace.condition("before", "Managed"))
        namespace.apply(raycluster("after"))
        eventually("a message on the new one", lambda: namespace.condition("after", "Managed"))
        assert pods_of(namespace, "after") == 0
        other.release()
        eventually("the new one to be taken over", lambda: pods_of(namespace, "after") == 4)


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
    """Kueue creates it so until there is quota; once resumed it starts."""
    namespace.apply(raycluster(spec_fields=spec(suspend=True)))
    condition = eventually("a message", lambda: namespace.condition("demo", "Supported"))
    assert "spec.suspend" in condition["message"]
    assert not namespace.pods()
    namespace.patch("demo", {"suspend": False})
    eventually("its pods", lambda: pods_of(namespace, "demo") == 4)
    assert operator.runs
