"""What the status of a RayCronJob says, and what its planner remembers by it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.raycronjob.status import RayCronJobStatus, recorded
from rayfleet.api.violation import Violation
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycronjob.plan import plan
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord, CronSettings
from rayfleet.kinds.raycronjob.status import compute_status, record_of
from rayfleet.kinds.raycronjob.status.stored import MOST_ACTIVE
from support.crons import FORBID, HOUR, MINUTE, REPLACE, at, cron, done, job, settings, snapshot

NINE, TEN, ELEVEN, NOON = at("02 09:00"), at("02 10:00"), at("02 11:00"), at("02 12:00")
QUOTA = ApiFailure(403, "Forbidden", "exceeded quota: jobs")


def stored(last: str = "2027-03-02T10:00:00Z", **fields: Any) -> dict[str, Any]:
    """The status of an hourly RayCronJob that has started a tick."""
    valid = {"type": "Valid", "status": "True", "reason": "Valid", "message": "", "observedGeneration": 1}
    return {
        "observedGeneration": 1,
        "observedSchedule": "0 * * * *",
        "lastScheduleTime": last,
        "conditions": [valid | {"lastTransitionTime": "2027-03-01T08:30:13Z"}],
    } | fields


def after_pass(
    now: datetime,
    *children: ChildJob,
    given: CronSettings | None = settings(),  # noqa: B008 - frozen
    status: Mapping[str, Any] = stored(),
    made: bool = True,
    outcomes: Sequence[Outcome] = (),
    **fields: Any,
) -> RayCronJobStatus:
    """The status after a pass, in which what was planned is `made`."""
    root = replace(cron(), status=status)
    before = snapshot(now, given, *children, cron=root, record=record_of(recorded(status)), **fields)
    decided = plan(before)
    after = before
    if made and decided.create is not None:
        outcomes = [Succeeded(action) for action in decided.actions]
        after = replace(before, children=(*children, job(decided.create.tick)))
    return recorded(compute_status(after, decided, outcomes))


def said(status: RayCronJobStatus, kind: str) -> tuple[str, str, str]:
    """A condition's status, reason and message."""
    found = next(condition for condition in status.conditions if condition.type == kind)
    return found.status, found.reason, found.message


def test_a_started_tick_is_recorded_with_its_job_and_the_next_time() -> None:
    """The time is that of the tick, not of the pass."""
    status = after_pass(ELEVEN + timedelta(seconds=2))
    assert dict(status.wire) == {
        "active": [{"name": job(ELEVEN).name, "uid": job(ELEVEN).uid}],
        "conditions": [
            {
                "type": "Valid",
                "status": "True",
                "reason": "Valid",
                "message": "",
                "lastTransitionTime": "2027-03-01T08:30:13Z",
                "observedGeneration": 1,
            },
            *(
                {
                    "type": kind,
                    "status": value,
                    "reason": reason,
                    "message": "",
                    "lastTransitionTime": "2027-03-02T11:00:02Z",
                    "observedGeneration": 1,
                }
                for kind, value, reason in (
                    ("Suspended", "False", "NotSuspended"),
                    ("Scheduled", "True", "Scheduled"),
                )
            ),
        ],
        "lastScheduleTime": "2027-03-02T11:00:00Z",
        "nextScheduleTime": "2027-03-02T12:00:00Z",
        "observedGeneration": 1,
        "observedSchedule": "0 * * * *",
    }


def test_a_status_is_the_same_in_every_pass_in_which_nothing_happens() -> None:
    """So it is written once."""
    first = after_pass(ELEVEN, job(TEN))
    for minutes in (1, 20, 59):
        children = (job(TEN), job(ELEVEN))
        assert after_pass(ELEVEN + minutes * MINUTE, *children, status=first.wire).wire == first.wire


def test_the_end_of_a_job_takes_it_off_the_active_ones_and_a_success_is_dated() -> None:
    """A failure has no such date."""
    active = stored(active=[{"name": job(TEN).name, "uid": job(TEN).uid}])
    failed = after_pass(TEN + 5 * MINUTE, done(TEN, succeeded=False), status=active)
    assert (failed.has("active"), failed.last_successful_time) == (False, None)
    succeeded = after_pass(TEN + 5 * MINUTE, done(TEN), status=active)
    assert (succeeded.has("active"), succeeded.last_successful_time) == (False, "2027-03-02T10:01:00Z")


def test_the_date_of_a_success_never_goes_back() -> None:
    """The job that it came from may be gone."""
    known = stored(lastSuccessfulTime="2027-03-02T10:01:00Z")
    assert after_pass(TEN + MINUTE, done(NINE), status=known).last_successful_time == "2027-03-02T10:01:00Z"


def test_a_time_in_another_form_is_not_written_again() -> None:
    """It is the same moment."""
    status = stored("2027-03-02T11:00:00+01:00")
    assert after_pass(TEN + MINUTE, status=status).last_schedule_time == "2027-03-02T11:00:00+01:00"


def test_a_suspended_cron_says_so_and_when_it_is_resumed_from_when_ticks_count() -> None:
    """That is what the next operator goes by."""
    suspended = after_pass(TEN + MINUTE, given=settings(suspended=True))
    words = "spec.suspend is true: no RayJob is created"
    assert said(suspended, "Suspended") == ("True", "Suspended", words)
    assert said(suspended, "Scheduled") == ("False", "Suspended", words)
    assert (suspended.next_schedule_time, record_of(suspended).suspended) == (None, True)
    resumed = after_pass(NOON + MINUTE, status=suspended.wire)
    assert said(resumed, "Suspended") == ("False", "NotSuspended", "")
    assert said(resumed, "Scheduled") == ("True", "Scheduled", "")
    assert (resumed.counted_from, resumed.last_schedule_time) == (
        "2027-03-02T12:01:00Z",
        "2027-03-02T10:00:00Z",
    )


def test_an_edited_schedule_is_recorded_with_the_moment() -> None:
    """The time zone is part of it."""
    edited = after_pass(TEN + MINUTE, given=settings("30 * * * *"))
    assert (edited.observed_schedule, edited.counted_from) == ("30 * * * *", "2027-03-02T10:01:00Z")


def test_an_invalid_spec_is_named_by_field_and_changes_nothing_else() -> None:
    """Once it is valid again, the schedule is the one that was followed before."""
    violations = tuple(Violation(f"spec.{name}", "is wrong") for name in "abcde")
    status = after_pass(NOON, job(TEN), given=None, violations=violations)
    assert said(status, "Valid") == (
        "False",
        "InvalidSpec",
        "spec.a: is wrong; spec.b: is wrong; spec.c: is wrong; 2 more",
    )
    assert said(status, "Scheduled") == ("False", "InvalidSpec", "The spec is not valid")
    assert (status.observed_schedule, status.counted_from) == ("0 * * * *", None)
    assert [active.name for active in status.active] == [job(TEN).name]


def test_a_cron_that_was_invalid_from_the_start_counts_from_when_it_is_valid() -> None:
    """It had no schedule before."""
    invalid = after_pass(TEN, given=None, status={}, violations=(Violation("spec.schedule", "is wrong"),))
    assert not invalid.has("observed_schedule")
    valid = after_pass(at("05 10:00:30"), status=invalid.wire)
    assert (valid.counted_from, valid.last_schedule_time) == ("2027-03-05T10:00:30Z", None)


def test_a_missed_tick_is_said_until_another_one_is_started() -> None:
    """And recorded, so that it is counted once."""
    given = settings(starting_deadline=MINUTE)
    missed = after_pass(ELEVEN + 2 * MINUTE, given=given)
    words = "The tick at 2027-03-02T11:00:00Z was not started within startingDeadlineSeconds"
    assert said(missed, "Scheduled") == ("False", "MissedTick", words)
    assert (missed.counted_from, missed.next_schedule_time) == (
        "2027-03-02T11:00:00Z",
        "2027-03-02T12:00:00Z",
    )
    later = after_pass(ELEVEN + 3 * MINUTE, given=given, status=missed.wire)
    assert later.wire == missed.wire
    started = after_pass(NOON, given=given, status=later.wire)
    assert said(started, "Scheduled") == ("True", "Scheduled", "")


def test_a_missed_tick_is_over_even_if_the_record_of_the_next_one_was_lost() -> None:
    """The job of the next one is there."""
    given = settings(starting_deadline=MINUTE)
    missed = after_pass(ELEVEN + 2 * MINUTE, given=given)
    status = after_pass(NOON + MINUTE, job(NOON), given=given, status=missed.wire)
    assert said(status, "Scheduled")[1] == "Scheduled"
    assert status.last_schedule_time == "2027-03-02T12:00:00Z"


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (2, "2 ticks until 2027-03-02T11:00:00Z were not started within startingDeadlineSeconds"),
        (
            500,
            "More than 100 ticks until 2027-03-02T11:00:00Z were not started within startingDeadlineSeconds",
        ),
    ],
)
def test_several_missed_ticks_are_counted(hours: int, words: str) -> None:
    """Up to a hundred."""
    last = (ELEVEN - hours * HOUR).isoformat()
    given = settings(starting_deadline=MINUTE)
    status = after_pass(ELEVEN + 2 * MINUTE, given=given, status=stored(last), created=ELEVEN - 1000 * HOUR)
    assert said(status, "Scheduled") == ("False", "MissedTick", words)


def test_a_tick_that_waits_for_a_job_says_for_which() -> None:
    """When the next job is due depends on its end, so no time is given."""
    one = after_pass(ELEVEN, job(TEN), given=settings(policy=FORBID))
    name = job(TEN).name
    assert said(one, "Scheduled") == (
        "False",
        "JobAlreadyActive",
        f"RayJob {name} still runs, and concurrencyPolicy is Forbid: the last tick waits for its end",
    )
    assert one.next_schedule_time is None
    many = [job(TEN - hours * HOUR) for hours in range(5)]
    names = ", ".join(child.name for child in many[:1:-1])
    status = after_pass(ELEVEN, *many, given=settings(policy=FORBID))
    assert said(status, "Scheduled")[2].startswith(f"RayJobs {names} and 2 more still run, and ")
    assert (
        after_pass(NOON + MINUTE, job(TEN), given=settings(policy=FORBID), status=one.wire).wire == one.wire
    )


def test_a_refused_job_is_said_with_the_answer_of_the_api_server() -> None:
    """The tick is not recorded, so the next pass tries again."""
    seen = snapshot(ELEVEN, settings(), record=record_of(recorded(stored())))
    create = plan(seen).create
    assert create is not None
    status = after_pass(ELEVEN, made=False, outcomes=[Failed(create, QUOTA)])
    assert said(status, "Scheduled") == ("False", "FailedCreate", f"{create.name}: exceeded quota: jobs")
    assert status.last_schedule_time == "2027-03-02T10:00:00Z"


def test_a_job_that_cannot_be_replaced_is_said_likewise() -> None:
    """The new one has not been tried then."""
    given = settings(policy=REPLACE)
    decided = plan(snapshot(ELEVEN, given, job(TEN), record=record_of(recorded(stored()))))
    assert decided.create is not None
    outcomes: list[Outcome] = [Failed(decided.replaced[0], QUOTA), NotTried(decided.create)]
    status = after_pass(ELEVEN, job(TEN), given=given, made=False, outcomes=outcomes)
    assert said(status, "Scheduled") == ("False", "FailedCreate", f"{job(TEN).name}: exceeded quota: jobs")


def test_a_job_that_was_not_tried_changes_no_condition() -> None:
    """Somebody has written first; the next pass follows at once."""
    before = after_pass(TEN + MINUTE)
    status = after_pass(ELEVEN, made=False, status=before.wire)
    assert said(status, "Scheduled") == said(before, "Scheduled")


def test_a_clock_that_was_ahead_is_told() -> None:
    """Otherwise nobody would understand why nothing is started."""
    status, reason, words = said(after_pass(ELEVEN, status=stored("2027-03-03T10:00:00Z")), "Scheduled")
    assert (status, reason) == ("False", "ClockSetBack")
    assert words.startswith("The tick at 2027-03-03T10:00:00Z has been started already")


def test_of_many_active_jobs_the_newest_are_listed() -> None:
    """A status goes to every watcher."""
    jobs = [job(TEN - number * HOUR) for number in range(MOST_ACTIVE + 5)]
    status = after_pass(TEN + MINUTE, *jobs)
    assert [active.name for active in status.active] == [child.name for child in reversed(jobs[:MOST_ACTIVE])]


@pytest.mark.parametrize(
    "fields",
    [{"cron": replace(cron(deleting=True), status=stored())}, {"other_operator": "ray/ray-operator-leader"}],
)
def test_the_status_of_a_cron_that_is_not_ours_to_act_on_stays(fields: dict[str, Any]) -> None:
    """Another operator may write it."""
    root = replace(cron(), status=stored())
    seen = replace(snapshot(NOON, settings(), job(TEN), cron=root), **fields)
    assert compute_status(seen, plan(seen), ()) == stored()


def test_what_others_keep_in_the_status_stays() -> None:
    """Fields and conditions."""
    theirs = {"type": "Theirs", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "x"}
    status = stored(theirField=1)
    status["conditions"] = [theirs, *status["conditions"]]
    after = after_pass(ELEVEN, status=status)
    assert after.wire["theirField"] == 1
    assert theirs in after.wire["conditions"]


@pytest.mark.parametrize(
    "junk", [None, 1, "x", [], {}, [None], {"a": []}, "9999-99-99T00:00:00Z", "0001-01-01"]
)
def test_junk_in_the_status_reads_as_nothing(junk: object) -> None:
    """Anybody who may write the status can write anything into it."""
    fields = (
        "active",
        "lastScheduleTime",
        "lastSuccessfulTime",
        "countedFrom",
        "observedSchedule",
        "conditions",
    )
    record = record_of(recorded(dict.fromkeys(fields, junk)))
    assert replace(record, schedule_text="") == CronRecord()
    assert after_pass(ELEVEN, status=dict.fromkeys(fields, junk)).last_schedule_time == "2027-03-02T11:00:00Z"
