"""Whether another operator is alive, by its Lease alone."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.ownership import ownership
from rayfleet.kinds.raycluster.plan import Ownership
from rayfleet.kube.leases.other_operator import OthersLeases
from support.builders import cluster, spec


def lease(version: int, holder: str | None = "kuberay-7d9f", duration: int | None = 15) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "kuberay",
            "name": "ray-operator-leader",
            "uid": "u",
            "resourceVersion": str(version),
        },
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration},
    }


NAME = "kuberay/ray-operator-leader"
ALIVE = {"kuberay": "kuberay-7d9f"}


def test_a_lease_that_is_renewed_is_alive() -> None:
    """That holds as long as it is renewed, whatever the clocks say."""
    observer = OthersLeases()
    for second in range(0, 60, 2):
        observer.observe([lease(second)], float(second))
        assert observer.alive() == ALIVE


@pytest.mark.parametrize(("seconds", "alive"), [(14.9, ALIVE), (15.0, {})])
def test_a_lease_without_a_change_for_its_duration_is_dead(seconds: float, alive: dict[str, str]) -> None:
    """It is not dead earlier."""
    observer = OthersLeases()
    for second in (*range(0, 14, 2), seconds):
        observer.observe([lease(1)], float(second))
    assert observer.alive() == alive


@pytest.mark.parametrize("gone", [[], [lease(2, holder=None)], [lease(2, holder="")]])
def test_a_lease_that_was_released_or_deleted_is_dead_at_once(gone: list[dict[str, Any]]) -> None:
    """A leader that ends in good order does so."""
    observer = OthersLeases()
    observer.observe([lease(1)], 0.0)
    observer.observe(gone, 2.0)
    assert observer.alive() == {}


def test_a_lease_is_in_doubt_until_its_renewal_or_its_expiry() -> None:
    """So the Lease that a dead operator has left does not count at our start."""
    alive, dead = OthersLeases(), OthersLeases()
    for observer in (alive, dead):
        observer.observe([lease(1)], 0.0)
        assert observer.in_doubt() == {"kuberay"}
    alive.observe([lease(2)], 2.0)
    assert not alive.in_doubt()
    for second, doubt in ((14.0, {"kuberay"}), (15.0, set())):
        dead.observe([lease(1)], second)
        assert dead.in_doubt() == doubt


OWNERS = [
    (None, None, Ownership.OURS),
    ("ray.io/kuberay-operator", None, Ownership.OURS),
    ("rayfleet.io/operator", None, Ownership.OURS),
    ("kueue.x-k8s.io/multikueue", None, Ownership.OTHERS),
    (None, NAME, Ownership.YIELDED),
    ("ray.io/kuberay-operator", NAME, Ownership.YIELDED),
    ("rayfleet.io/operator", NAME, Ownership.OURS),
    ("kueue.x-k8s.io/multikueue", NAME, Ownership.OTHERS),
]


@pytest.mark.parametrize(("managed_by", "other", "whose"), OWNERS)
def test_which_operator_acts_on_a_cluster(
    managed_by: str | None, other: str | None, whose: Ownership
) -> None:
    """`managedBy` and the other operator's Lease decide."""
    fields = spec() if managed_by is None else spec(managedBy=managed_by)
    assert ownership(cluster(fields), other) is whose
