"""When a Lease may be taken, and what is written to it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rayfleet.kube.leases.lease import LeaseObserver, Timing, acquisition, lease_object, release, renewal
from rayfleet.kube.leases.objects import lease_from_object

NOW = datetime(2026, 5, 4, 3, 2, 1, 987, UTC)
STAMP = "2026-05-04T03:02:01.000987Z"


def lease(version: int = 7, *, renewed: int = 0, **spec: Any) -> dict[str, Any]:
    held = {"holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": f"t{renewed}"}
    return {"metadata": {"uid": "u", "resourceVersion": str(version)}, "spec": {**held, **spec}}


def vacant_in(*looks: tuple[float, dict[str, Any]], now: float, identity: str = "me") -> float:
    observer = LeaseObserver()
    for seconds, obj in looks:
        observer.observe(lease_from_object(obj), seconds)
    return observer.vacant_in(identity, now)


def test_a_lease_may_be_taken_once_it_has_not_changed_for_its_duration() -> None:
    """The time counts by our clock, from when we first saw this state."""
    looks = [(0.0, lease()), (2.0, lease(renewed=1)), (4.0, lease(renewed=1))]
    assert vacant_in(*looks, now=4.0) == 13.0
    assert vacant_in(*looks, now=16.9) == pytest.approx(0.1)
    assert vacant_in(*looks, now=17.0) == 0.0


def test_a_changed_label_does_not_renew_a_lease() -> None:
    """Anybody may set one; the leader alone writes the spec."""
    assert vacant_in((0.0, lease(7)), (10.0, lease(8)), now=15.0) == 0.0


def test_a_lease_that_is_free_or_our_own_may_be_taken_at_once() -> None:
    assert vacant_in(now=0.0) == 0.0
    assert vacant_in((0.0, lease(holderIdentity="")), now=0.0) == 0.0
    assert vacant_in((0.0, lease(holderIdentity=None)), now=0.0) == 0.0
    assert vacant_in((0.0, lease(holderIdentity="me")), now=0.0) == 0.0


def test_a_lease_that_was_deleted_while_held_is_not_taken_before_its_expiry() -> None:
    """Its holder may write until it notices."""
    observer = LeaseObserver()
    observer.observe(lease_from_object(lease()), 0.0)
    # From here on it does not exist.
    assert observer.vacant_in("me", 14.0) == 1.0
    assert observer.vacant_in("me", 15.0) == 0.0


def test_a_lease_taken_before_its_time_is_not_free_before_its_former_holder_must_know() -> None:
    """However short the time for which the new holder claims it."""
    stolen = lease(renewed=1, holderIdentity="stranger", leaseDurationSeconds=1)
    looks = [(0.0, lease()), (2.0, stolen)]
    assert vacant_in(*looks, now=3.0) == 12.0
    assert vacant_in(*looks, now=15.0) == 0.0
    assert vacant_in(*looks, now=3.0, identity="other") == 0.0, "it knows what it has sent itself"


def test_a_lease_that_was_released_is_free_whoever_took_it_in_between() -> None:
    stolen = lease(renewed=1, holderIdentity="stranger", leaseDurationSeconds=1)
    back, released = lease(renewed=2), lease(renewed=3, holderIdentity="")
    assert vacant_in((0.0, lease()), (2.0, stolen), (4.0, back), (5.0, released), now=5.0) == 0.0


def test_a_lease_that_went_from_holder_to_holder_is_waited_for_until_the_last_may_write_no_more() -> None:
    """None of them is kept in memory for longer."""
    observer = LeaseObserver()
    for second in range(200):
        observer.observe(lease_from_object(lease(renewed=second, holderIdentity=f"h{second}")), second)
    assert observer.vacant_in("me", 199.0) == 15.0
    assert len(observer._may_write_until) <= 15


def test_a_lease_that_claims_a_year_is_waited_for_two_minutes() -> None:
    assert vacant_in((0.0, lease(leaseDurationSeconds=31_536_000)), now=0.0) == 120.0


def test_the_leader_stops_before_another_may_start() -> None:
    """The margin is for requests that are on their way."""
    timing = Timing()
    assert timing.renew_deadline + timing.renew_every <= timing.duration
    assert timing.retry_every < timing.renew_every < timing.renew_deadline


def test_a_new_lease_is_held_by_its_creator() -> None:
    made = lease_object("ns", "me", Timing(), NOW)
    assert made["metadata"] == {"name": "rayfleet-leader", "namespace": "ns"}
    assert made["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": STAMP,
        "renewTime": STAMP,
        "leaseTransitions": 0,
    }


@pytest.mark.parametrize(("holder", "transitions"), [("other", 5), ("", 5), ("me", 4)])
def test_taking_it_counts_a_transition_unless_it_was_ours(holder: str, transitions: int) -> None:
    found = lease_from_object(lease(holderIdentity=holder, leaseTransitions=4))
    spec = acquisition(found, "me", Timing(), NOW)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("me", transitions)


def test_every_write_is_refused_if_somebody_else_wrote_first() -> None:
    """It has the uid and the version that the decision was based on."""
    found = lease_from_object(lease(41))
    patches = acquisition(found, "me", Timing(), NOW), renewal(found, NOW), release(found, NOW)
    assert all(patch["metadata"] == {"uid": "u", "resourceVersion": "41"} for patch in patches)


def test_a_released_lease_can_be_taken_at_once() -> None:
    spec = release(lease_from_object(lease()), NOW)["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)
