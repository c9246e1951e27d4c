"""What a RayCronJob tells in events: each thing once, not in every pass."""

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.raycronjob.status import recorded
from rayfleet.api.violation import Violation
from rayfleet.engine.event import LONGEST_NOTE
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycronjob.plan import plan
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronSettings
from rayfleet.kinds.raycronjob.status import compute_status, events_of, record_of
from support.crons import FORBID, HOUR, MINUTE, at, cron, done, job, settings, snapshot

TEN, ELEVEN, NOON = at("02 10:00"), at("02 11:00"), at("02 12:00")


class Told:
    """A RayCronJob that tells of its passes; every action succeeds, or fails with `failure`."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {}
        self.at(TEN, job(TEN))

    def at(
        self,
        now: datetime,
        *children: ChildJob,
        given: CronSettings | None = settings(),  # noqa: B008 - frozen
        failure: ApiFailure | None = None,
        **fields: Any,
    ) -> list[tuple[str, str, str]]:
        """The type, the reason and the note of each event of a pass."""
        root, record = replace(cron(), status=self.status), record_of(recorded(self.status))
        seen = snapshot(now, given, *children, cron=root, record=record, **fields)
        decided = plan(seen)
        outcomes: list[Outcome] = [
            Succeeded(action) if failure is None else Failed(action, failure) for action in decided.actions
        ]
        before, self.status = self.status, compute_status(seen, decided, outcomes)
        events = events_of(seen, outcomes, before, self.status)
        return [(event.type, event.reason, event.note) for event in events]


def test_a_started_tick_is_told_once() -> None:
    """With the tick, and how many were missed before it."""
    told = Told()
    name = job(ELEVEN).name
    created = ("Normal", "CreatedRayJob", f"Created RayJob {name}: it is due since 2027-03-02T11:00:00Z")
    assert told.at(ELEVEN) == [created]
    assert told.at(ELEVEN + MINUTE, job(ELEVEN)) == []
    ((_, _, note),) = told.at(ELEVEN + 5 * HOUR)
    assert note.endswith("; 4 ticks before that were missed")


def test_more_missed_ticks_than_are_counted_are_told_as_such() -> None:
    """Only the last one is started."""
    events = Told().at(TEN + 500 * HOUR)
    assert [reason for _, reason, _ in events] == ["CreatedRayJob", "TooManyMissedTimes"]
    assert events[1] == (
        "Warning",
        "TooManyMissedTimes",
        "More than 100 ticks were missed; only the last one is started",
    )


def test_a_tick_that_was_too_late_is_told_once() -> None:
    """The next one that is too late is told by the condition only, until a tick has been in time again."""
    told, given = Told(), settings(starting_deadline=MINUTE)
    assert told.at(ELEVEN + 2 * MINUTE, given=given) == [
        (
            "Warning",
            "MissSchedule",
            "The tick at 2027-03-02T11:00:00Z was not started within startingDeadlineSeconds",
        )
    ]
    assert told.at(ELEVEN + 3 * MINUTE, given=given) == []
    assert told.at(NOON + 2 * MINUTE, given=given) == []
    assert [reason for _, reason, _ in told.at(NOON + HOUR, given=given)] == ["CreatedRayJob"]
    assert [reason for _, reason, _ in told.at(NOON + 3 * HOUR - MINUTE, given=given)] == ["MissSchedule"]


def test_a_tick_that_waits_for_a_job_is_told_once_for_as_long_as_it_waits() -> None:
    """However many ticks pass."""
    told, given = Told(), settings(policy=FORBID)
    ((kind, reason, note),) = told.at(ELEVEN, job(TEN), given=given)
    assert (kind, reason) == ("Normal", "JobAlreadyActive")
    assert note.startswith(f"RayJob {job(TEN).name} still runs")
    assert told.at(NOON + MINUTE, job(TEN), given=given) == []


def test_the_end_of_a_job_is_told_once() -> None:
    """Whether it succeeded or not."""
    told = Told()
    told.at(TEN + MINUTE, *(job(TEN - hours * HOUR) for hours in range(6)))
    children = [done(TEN), *(done(TEN - hours * HOUR, succeeded=False) for hours in range(1, 6))]
    names = [child.name for child in children]
    listed = ", ".join(sorted(names[1:])[:3])
    assert told.at(TEN + 2 * MINUTE, *children) == [
        ("Normal", "SawCompletedJob", f"RayJob {names[0]} succeeded"),
        ("Normal", "SawCompletedJob", f"RayJobs {listed} and 2 more ended without success"),
    ]
    assert told.at(TEN + 3 * MINUTE, *children) == []


def test_deletes_are_told_together_by_their_reason() -> None:
    """A limit may take away many at once."""
    told, jobs = Told(), [done(TEN - hours * HOUR) for hours in range(5)]
    told.at(TEN + 2 * MINUTE, *jobs)
    assert told.at(TEN + 3 * MINUTE, *jobs, given=settings(successful_limit=3)) == [
        ("Normal", "DeletedRayJob", "Deleted 2 RayJobs, history limit: successfulJobsHistoryLimit is 3")
    ]


@pytest.mark.parametrize(
    ("status", "told_deletes"),
    [(403, ["FailedToDeleteRayJob"]), (500, ["FailedToDeleteRayJob"]), (404, []), (409, [])],
)
def test_a_refused_write_is_told_with_the_answer(status: int, told_deletes: list[str]) -> None:
    """That somebody else was faster with a delete is no failure; that a name is taken is."""
    told, jobs = Told(), [done(TEN - hours * HOUR) for hours in range(5)]
    told.at(TEN + 2 * MINUTE, *jobs)
    failure = ApiFailure(status, "Reason", "the answer")
    events = told.at(ELEVEN, *jobs, given=settings(successful_limit=3), failure=failure)
    assert [reason for _, reason, _ in events] == [*told_deletes, "FailedToCreateRayJob"]
    assert events[-1] == ("Warning", "FailedToCreateRayJob", f"RayJob {job(ELEVEN).name}: the answer")


def test_suspending_and_resuming_are_each_told_once() -> None:
    """KubeRay tells it in every pass."""
    told, suspended = Told(), settings(suspended=True)
    note = "Suspended: no RayJob is created, and those that run go on"
    assert told.at(TEN + MINUTE, given=suspended) == [("Normal", "SuspendedRayCronJob", note)]
    assert told.at(ELEVEN + MINUTE, given=suspended) == []
    resumed = ("Normal", "ResumedRayCronJob", "Resumed: ticks count from now on")
    assert told.at(ELEVEN + 2 * MINUTE) == [resumed]
    assert told.at(ELEVEN + 3 * MINUTE) == []


def test_an_invalid_spec_is_told_for_each_different_fault_and_when_it_is_over() -> None:
    """The same fault is told once."""
    told = Told()
    for message, count in (("is wrong", 1), ("is wrong", 0), ("is worse", 1)):
        faults = (Violation("spec.schedule", message),)
        events = told.at(TEN + MINUTE, given=None, violations=faults)
        assert events == [("Warning", "InvalidRayCronJobSpec", f"spec.schedule: {message}")] * count
    assert told.at(TEN + 2 * MINUTE) == [("Normal", "ValidRayCronJobSpec", "The spec is valid again")]


def test_a_clock_that_was_ahead_is_told_once() -> None:
    """Until then nothing is started."""
    told = Told()
    told.at(at("03 10:00"))
    ((kind, reason, _),) = told.at(ELEVEN, job(at("03 10:00")))
    assert (kind, reason) == ("Warning", "ClockSetBack")
    assert told.at(NOON, job(at("03 10:00"))) == []


def test_a_note_is_short_enough_for_the_api_server() -> None:
    """Messages may be of any length."""
    faults = tuple(Violation(f"spec.{'x' * 1000}", "is wrong") for _ in range(3))
    ((_, _, note),) = Told().at(TEN + MINUTE, given=None, violations=faults)
    assert len(note.encode()) <= LONGEST_NOTE
