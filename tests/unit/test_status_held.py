"""The status of a group says why its pods cannot be created: the reason, the message, and since when."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.raycluster.status import HeldReason, recorded
from rayfleet.autoscaling.limits import ceilings_from_annotations
from rayfleet.engine.statuses import status_patch
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.plan.units import factory_of
from rayfleet.kinds.raycluster.scaling_view import ScalingView
from rayfleet.kinds.raycluster.snapshot import Hold, Snapshot
from rayfleet.kinds.raycluster.status import compute_status, rfc3339, unheard
from rayfleet.kinds.raycluster.status.cuts import MOST_BYTES, size_of
from support.builders import NOW, cluster, group, head, parsed, snapshot, spec, template, worker

OF = cluster(spec(group("gpu", 2, template=template(gpu="1")), group("cpu", 1)))
QUOTA = 'pods "x" is forbidden: exceeded quota: gpus'
CEILING = ceilings_from_annotations({"rayfleet.io/max-gpus-per-cluster": "1"})


def status_of(seen: Snapshot) -> dict[str, Any]:
    return compute_status(seen, plan(seen), ())


def seen(**fields: Any) -> Snapshot:
    """A cluster with its head and the worker of the other group."""
    return snapshot(OF, [head(OF), worker(OF, 1, group_name="cpu")], **fields)


def by_quota() -> Snapshot:
    return seen(held={"gpu": Hold(NOW + 5, QUOTA, NOW - 30)})


def by_its_template() -> Snapshot:
    spec_of = parsed(OF.spec)
    hashes = factory_of(seen(), spec_of, spec_of.worker_group_specs[0]).template_hash
    return seen(refused={hashes: "spec.containers[0].image: Required value"})


def by_a_ceiling() -> Snapshot:
    return seen(scaling=ScalingView(namespace_ceilings=CEILING))


HELD_FIELDS = ("reason", "message", "since")
AT_MOST_ONE = (
    "1 pod of gpu waits for 1 GPU: at most 1 GPUs of the cluster (annotation rayfleet.io/max-gpus-per-cluster"
    " of the namespace)"
)
HELD = {
    by_quota: ("QuotaExceeded", QUOTA, NOW - 30),
    by_its_template: ("TemplateRefused", "spec.containers[0].image: Required value", NOW),
    by_a_ceiling: ("Ceiling", AT_MOST_ONE, NOW),
}


@pytest.mark.parametrize("held", HELD)
def test_a_held_group_has_a_reason_and_its_time(held: Callable[[], Snapshot]) -> None:
    """The other groups have none."""
    first, other = recorded(status_of(held())).worker_groups
    reason, message, since = HELD[held]
    assert (first.reason, first.message, first.since) == (reason, message, rfc3339(since))
    assert not any(map(other.has, HELD_FIELDS))


@pytest.mark.parametrize("held", HELD)
def test_sixty_passes_over_a_held_group_write_nothing(held: Callable[[], Snapshot]) -> None:
    """The time is that of the first refusal."""
    first = status_of(held())
    for minute in range(1, 61):
        again = replace(held(), cluster=replace(OF, status=first), now=NOW + 60 * minute)
        if held is by_quota:
            again = replace(again, held={"gpu": Hold(again.now + 5, QUOTA, NOW - 30)})
        assert status_patch(first, status_of(again)) == {}


@pytest.mark.parametrize("held", HELD)
def test_a_group_that_is_no_longer_held_has_no_reason(held: Callable[[], Snapshot]) -> None:
    """The earlier reason is removed."""
    of = replace(OF, status=status_of(held()))
    pods = [head(of), *(worker(of, n) for n in (1, 2)), worker(of, 1, group_name="cpu")]
    for entry in recorded(status_of(snapshot(of, pods))).worker_groups:
        assert not any(map(entry.has, HELD_FIELDS))


def test_another_reason_has_its_own_time() -> None:
    of = replace(OF, status=status_of(by_quota()))
    later = replace(by_a_ceiling(), cluster=of, now=NOW + 60)
    assert recorded(status_of(later)).group("gpu").since == rfc3339(NOW + 60)


def test_a_forged_time_is_not_kept() -> None:
    groups = [{"groupName": "gpu", "reason": "Ceiling", "since": "x" * 50_000}]
    forged = replace(by_a_ceiling(), cluster=replace(OF, status={"workerGroups": groups}))
    assert recorded(status_of(forged)).group("gpu").since == rfc3339(NOW)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (QUOTA, HeldReason.QUOTA_EXCEEDED),
        ("minimum memory usage per Container is 64Mi, but request is 1", HeldReason.LIMIT_RANGE),
        ('admission webhook "policy" denied the request', HeldReason.FAILED_CREATE),
        ("no answer within 10 s", HeldReason.FAILED_CREATE),
    ],
)
def test_the_reason_is_a_word_for_programs(words: str, reason: HeldReason) -> None:
    """The message is the API server's, for people."""
    status = recorded(status_of(seen(held={"gpu": Hold(NOW + 5, words, NOW)})))
    assert status.group("gpu").reason == reason


def test_a_refused_template_of_a_complete_group_holds_nothing() -> None:
    pods = [head(OF), *(worker(OF, n) for n in (1, 2)), worker(OF, 1, group_name="cpu")]
    status = recorded(status_of(replace(by_its_template(), pods=tuple(pods))))
    assert not status.group("gpu").has("reason")


def test_holds_of_groups_that_follow_a_queue_count_as_reports_about_demand() -> None:
    """So reporting one takes a token, as sizes do."""
    queue = {"autoscaler": {"summary": "As wanted."}}
    was, now = unheard(status_of(seen()) | queue, status_of(by_quota()) | queue)
    assert was["workerGroups"] == now["workerGroups"]
    assert "desired" not in now["workerGroups"][0]


def test_a_hundred_groups_that_are_held_fit_into_a_status() -> None:
    """Their reasons stay when their messages do not; conditions of others are not cut for them."""
    groups = [group(f"g{n:02}" + "x" * 60, replicas=1) for n in range(100)]
    theirs = {"type": "Theirs", "status": "True", "reason": "R", "message": "m" * 900}
    of = cluster(spec(*groups), status={"conditions": [theirs]})
    hold = Hold(NOW + 600, '"<é' * 2000, NOW)
    held = snapshot(of, [head(of)], held={entry["groupName"]: hold for entry in groups})
    status = status_of(held)
    assert size_of(status) <= MOST_BYTES
    assert "leftOut" in status
    assert theirs in status["conditions"]
    groups_recorded = recorded(status).worker_groups
    assert {(one.reason, one.since) for one in groups_recorded} == {("FailedCreate", rfc3339(NOW))}
    assert {one.desired for one in groups_recorded} == {1}
    again = replace(held, cluster=replace(of, status=status), now=NOW + 60)
    assert status_patch(status, status_of(again)) == {}
