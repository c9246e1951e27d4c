"""Events: few, and with messages for users."""

from rayfleet.api.violation import Violation
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.plan import Cause, CreatePod, CreateService, DeletePod, plan
from rayfleet.kinds.raycluster.status import compute_status, events_of
from support.builders import cluster, snapshot

QUOTA = ApiFailure(403, "Forbidden", "exceeded quota: gpus")


def create(name: str) -> CreatePod:
    return CreatePod("worker", "gpu", name, "h", {}, "3 pods fewer than wanted")


def test_pods_created_together_make_one_event() -> None:
    """There is one event per kind of action, group and pass."""
    events = events_of([Succeeded(create(f"w-{n}")) for n in range(3)], (), {}, {})
    assert [(e.type, e.reason, e.note) for e in events] == [
        ("Normal", "CreatedWorkerPod", "Created 3 pods in group gpu: 3 pods fewer than wanted")
    ]


def test_pods_deleted_for_one_cause_make_one_event() -> None:
    """Another cause is another event."""
    outcomes = [
        Succeeded(DeletePod("worker", "gpu", f"w-{n}", f"u-{n}", cause, "why"))
        for n, cause in enumerate([Cause.SURPLUS, Cause.SURPLUS, Cause.ENDED])
    ]
    notes = [event.note for event in events_of(outcomes, (), {}, {})]
    assert notes == ["Deleted 2 pods in group gpu, surplus: why", "Deleted 1 pod in group gpu, ended: why"]


def test_a_failure_is_reported_once_a_pass_in_the_servers_words() -> None:
    """What was not tried is not reported."""
    outcomes: list[Outcome] = [
        Failed(create("w-1"), QUOTA),
        Failed(create("w-2"), QUOTA),
        NotTried(create("w-3")),
    ]
    events = events_of(outcomes, (), {}, {})
    assert [(e.type, e.reason, e.note) for e in events] == [
        ("Warning", "FailedToCreateWorkerPod", "group gpu: exceeded quota: gpus")
    ]


def test_a_conflict_causes_no_event() -> None:
    """Two writers take turns so."""
    assert events_of([Failed(create("w-1"), ApiFailure(409, "AlreadyExists", "exists"))], (), {}, {}) == ()


def test_an_invalid_spec_is_reported_once_and_so_is_its_repair() -> None:
    """The number of passes meanwhile does not matter."""
    bad = (Violation("spec.x", "is wrong."),)
    seen = snapshot(cluster(), spec=None, violations=bad)
    invalid = compute_status(seen, plan(seen), ())
    assert [e.reason for e in events_of((), bad, {}, invalid)] == ["InvalidRayClusterSpec"]
    assert events_of((), bad, invalid, invalid) == ()
    seen = snapshot(cluster(status=invalid))
    repaired = compute_status(seen, plan(seen), ())
    assert [e.reason for e in events_of((), (), invalid, repaired)] == ["ValidRayClusterSpec"]


def test_a_service_that_cannot_be_created_is_reported() -> None:
    """Whatever the reason, nothing else would show it."""
    outcome = Failed(
        CreateService("demo-head-svc", {}, "none yet"), ApiFailure(409, "AlreadyExists", "taken")
    )
    assert [(e.reason, e.note) for e in events_of([outcome], (), {}, {})] == [
        ("FailedToCreateService", "Service demo-head-svc: taken")
    ]


def test_a_long_note_is_cut_to_the_bytes_that_the_api_server_takes() -> None:
    """It is not cut in the middle of a character."""
    event = events_of([Failed(create("w"), ApiFailure(403, "Forbidden", "…" * 1024))], (), {}, {})[0]
    assert 1020 < len(event.note.encode()) <= 1024
