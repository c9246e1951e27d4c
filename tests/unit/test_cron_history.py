"""Which finished RayJobs the history limits of a RayCronJob take away."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycronjob.actions import RemovalCause
from rayfleet.kinds.raycronjob.plan import plan
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord
from rayfleet.kinds.raycronjob.status.record import record_after
from support.crons import HOUR, MINUTE, at, done, job, record, settings, snapshot

NINE, TEN, NOW = at("02 09:00"), at("02 10:00"), at("02 10:30")
KNOWN = record(TEN, last_successful=TEN + MINUTE)


def deleted(*children: ChildJob, known: CronRecord = KNOWN, **limits: Any) -> list[str]:
    """The names of what is deleted."""
    return [
        action.name for action in plan(snapshot(NOW, settings(**limits), *children, record=known)).deletes
    ]


def hourly(count: int, **fields: Any) -> list[ChildJob]:
    """Jobs that have ended, the newest first."""
    return [done(TEN - number * HOUR, **fields) for number in range(count)]


def test_without_limits_every_job_is_kept() -> None:
    """As in KubeRay."""
    assert deleted(*hourly(20), *hourly(20, succeeded=False)) == []


def test_the_oldest_beyond_a_limit_go() -> None:
    """The reason names the limit."""
    jobs = hourly(5)
    assert deleted(*jobs, successful_limit=3) == [job.name for job in jobs[3:]]
    action = plan(snapshot(NOW, settings(successful_limit=3), *jobs, record=KNOWN)).deletes[0]
    assert (action.uid, action.cause) == (jobs[3].uid, RemovalCause.HISTORY)
    assert action.reason == "successfulJobsHistoryLimit is 3"


def test_each_limit_counts_its_own_kind() -> None:
    """Failures are kept although many later jobs have succeeded."""
    failed = [done(TEN - (10 + number) * HOUR, succeeded=False) for number in range(3)]
    jobs = [*hourly(2), *failed]
    assert deleted(*jobs, successful_limit=1) == [hourly(2)[1].name]
    assert deleted(*jobs, failed_limit=1) == [job.name for job in failed[1:]]
    assert set(deleted(*jobs, successful_limit=0, failed_limit=0)) == {job.name for job in jobs}


@pytest.mark.parametrize(
    "kept",
    [
        job(NINE),
        done(NINE, holds_resources=True),
        done(NINE, deleting=True),
    ],
)
def test_a_job_that_runs_or_holds_gpus_or_is_going_is_not_deleted(kept: ChildJob) -> None:
    """Somebody may look at what a finished job's cluster still has."""
    assert deleted(kept, successful_limit=0, failed_limit=0) == []


def test_a_job_that_holds_gpus_has_its_place_among_those_kept() -> None:
    """One limit, one list."""
    jobs = [replace(hourly(1)[0], holds_resources=True), *hourly(3)[1:]]
    assert deleted(*jobs, successful_limit=1) == [job.name for job in jobs[1:]]


@pytest.mark.parametrize(
    "known",
    [
        replace(KNOWN, last_schedule=NINE),
        replace(KNOWN, last_schedule=None),
        replace(KNOWN, last_successful=NINE),
        replace(KNOWN, last_successful=None),
        replace(KNOWN, active=frozenset({done(TEN).name})),
    ],
)
def test_what_a_job_tells_is_recorded_before_it_is_deleted(known: CronRecord) -> None:
    """Otherwise its tick could be started again, or its success would be forgotten."""
    seen = snapshot(NOW, settings(successful_limit=0), done(TEN), record=known)
    first = plan(seen)
    assert (first.deletes, first.requeue_after) == ((), 1.0)
    after = replace(seen, record=record_after(seen, first, ()))
    assert [action.name for action in plan(after).deletes] == [done(TEN).name]


def test_a_success_within_a_second_is_recorded_like_any_other() -> None:
    """The status has whole seconds."""
    child = replace(done(TEN), finished_at=TEN + timedelta(milliseconds=60_500))
    assert deleted(child, successful_limit=0) == [child.name]


def test_a_failure_is_deleted_without_a_success_to_record() -> None:
    """There may never have been one."""
    assert deleted(done(TEN, succeeded=False), known=record(TEN), failed_limit=0) == [done(TEN).name]


def test_many_jobs_go_in_several_passes() -> None:
    """A limit may be set when there are thousands."""
    decided = plan(snapshot(NOW, settings(successful_limit=0), *hourly(120), record=KNOWN))
    assert (len(decided.deletes), decided.requeue_after) == (50, 1.0)


def test_a_suspended_cron_still_tidies_up() -> None:
    """A limit has nothing to do with the schedule."""
    known = replace(KNOWN, suspended=True)
    assert deleted(done(TEN), known=known, successful_limit=0, suspended=True) == [done(TEN).name]


def test_a_tick_is_started_and_the_history_trimmed_in_the_same_pass() -> None:
    """Neither waits for the other."""
    decided = plan(snapshot(at("02 11:00"), settings(successful_limit=0), done(TEN), record=KNOWN))
    assert decided.create is not None
    assert decided.actions == (*decided.deletes, decided.create)
