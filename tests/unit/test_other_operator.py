"""Whether another operator is alive, judged by its Lease alone."""

from typing import Any

import pytest

from rayfleet.other_operator import OthersLeases
from rayfleet.plan import Ownership, ownership
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


def test_a_lease_that_is_renewed_is_alive() -> None:
    """For as long as it is, whatever the clocks say."""
    observer = OthersLeases()
    for second in range(0, 60, 2):
        observer.observe([lease(second)], float(second))
        assert observer.alive(float(second)) == NAME


def test_a_lease_that_does_not_change_for_its_duration_is_dead() -> None:
    """And not a moment sooner."""
    observer = OthersLeases()
    for second in range(0, 20, 2):
        observer.observe([lease(1)], float(second))
    assert observer.alive(14.9) == NAME
    assert observer.alive(15.0) is None


@pytest.mark.parametrize("gone", [[], [lease(2, holder=None)], [lease(2, holder="")]])
def test_a_lease_that_was_released_or_deleted_is_dead_at_once(gone: list[dict[str, Any]]) -> None:
    """As a leader does that ends in good order."""
    observer = OthersLeases()
    observer.observe([lease(1)], 0.0)
    observer.observe(gone, 2.0)
    assert observer.alive(2.0) is None


def test_a_lease_in_doubt_is_settled_by_its_renewal_or_its_expiry() -> None:
    """So that a Lease which a dead operator left behind does not count for it at our start."""
    alive, dead = OthersLeases(), OthersLeases()
    for observer in (alive, dead):
        observer.observe([lease(1)], 0.0)
        assert not observer.settled(0.0)
    alive.observe([lease(2)], 2.0)
    assert alive.settled(2.0)
    assert not dead.settled(14.0)
    assert dead.settled(15.0)


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
def test_who_acts_on_a_cluster(managed_by: str | None, other: str | None, whose: Ownership) -> None:
    """By `managedBy` and by the other operator's Lease."""
    fields = spec() if managed_by is None else spec(managedBy=managed_by)
    assert ownership(cluster(fields), other) is whose
