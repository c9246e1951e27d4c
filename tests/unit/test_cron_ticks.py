"""Which tick of a RayCronJob is started, and which ones are not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from rayfleet.kinds.raycronjob.actions import CronPlan, MissedTicks, RemovalCause
from rayfleet.kinds.raycronjob.plan import plan
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord
from rayfleet.kinds.raycronjob.status.record import record_after
from support.crons import (
    ALLOW,
    CREATED,
    FORBID,
    HOUR,
    MINUTE,
    REPLACE,
    at,
    cron,
    done,
    job,
    record,
    settings,
    snapshot,
)

TEN, ELEVEN, NOON = at("02 10:00"), at("02 11:00"), at("02 12:00")
SHORTLY = timedelta(seconds=2)


def planned(now: datetime, *children: ChildJob, last: datetime = TEN, **fields: Any) -> CronPlan:
    """The plan of an hourly RayCronJob that has started the tick at ten."""
    return plan(snapshot(now, settings(**fields), *children, record=record(last)))


def test_a_new_cron_waits_for_its_first_tick() -> None:
    """Ticks count from its creation, at 8:30:13."""
    new = plan(snapshot(CREATED + SHORTLY, settings(), record=CronRecord()))
    assert (new.actions, new.requeue_after) == ((), 29 * 60 + 45)
    first = plan(snapshot(at("01 09:00"), settings(), record=CronRecord()))
    assert first.create is not None
    assert (first.create.tick, first.create.missed) == (at("01 09:00"), 0)


def test_a_tick_that_is_due_is_started_and_the_next_one_waited_for() -> None:
    """The reason tells which tick it is."""
    decided = planned(ELEVEN + SHORTLY)
    assert decided.create is not None
    assert (decided.create.tick, decided.create.reason) == (ELEVEN, "it is due since 2027-03-02T11:00:00Z")
    assert (decided.next_tick, decided.requeue_after) == (NOON, 3598.0)


def test_between_two_ticks_nothing_is_done() -> None:
    """The pass ends with the seconds until the next one."""
    decided = planned(TEN + MINUTE)
    assert (decided.actions, decided.requeue_after) == ((), 59 * 60)


def test_a_wake_up_just_before_the_tick_leads_to_another_one() -> None:
    """Timers and the API server's clock may differ by milliseconds."""
    decided = planned(ELEVEN - timedelta(milliseconds=1))
    assert (decided.actions, decided.requeue_after) == ((), 0.05)


def test_of_many_missed_ticks_the_last_one_is_started_once() -> None:
    """An operator that was away for eleven hours brings up one cluster, not eleven."""
    decided = planned(at("02 21:00:30"))
    assert decided.create is not None
    assert (decided.create.tick, decided.create.missed) == (at("02 21:00"), 10)
    assert decided.create.reason == "it is due since 2027-03-02T21:00:00Z; 10 ticks before that were missed"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (at("02 19:00"), "1 tick before that was missed"),
        (at("02 18:00"), "2 ticks before that were missed"),
        (at("02 21:00") - 101 * HOUR, "100 ticks before that were missed"),
        (at("02 21:00") - 102 * HOUR, "more than 100 ticks before that were missed"),
        (at("02 21:00") - 10_000 * HOUR, "more than 100 ticks before that were missed"),
    ],
)
def test_missed_ticks_are_counted_up_to_a_hundred(last: datetime, words: str) -> None:
    """To count all minutes of a year would take seconds."""
    decided = plan(
        snapshot(at("02 21:00:30"), settings(), record=record(last), created=at("01 00:00") - 10**6 * MINUTE)
    )
    assert decided.create is not None
    assert decided.create.reason.endswith(f"; {words}")


def test_a_tick_too_late_for_its_deadline_is_given_up_for_good() -> None:
    """What is recorded keeps it from being looked at again."""
    deadline = timedelta(seconds=90)
    assert planned(ELEVEN + deadline, starting_deadline=deadline).create is not None
    late = planned(ELEVEN + deadline + SHORTLY, starting_deadline=deadline)
    assert (late.actions, late.missed, late.counted_from) == ((), MissedTicks(ELEVEN, 1), ELEVEN)
    assert late.requeue_after == 3600 - 92
    recorded = record(TEN, counted_from=ELEVEN)
    after = plan(snapshot(ELEVEN + 2 * deadline, settings(starting_deadline=deadline), record=recorded))
    assert (after.actions, after.missed) == ((), None)


def test_a_long_absence_with_a_deadline_starts_only_what_is_in_time() -> None:
    """All earlier ticks count as missed."""
    decided = planned(at("02 21:00:30"), starting_deadline=timedelta(seconds=60))
    assert decided.create is not None
    assert (decided.create.tick, decided.create.missed) == (at("02 21:00"), 10)


def test_a_deadline_of_zero_still_leaves_the_very_moment() -> None:
    """Whoever writes that gets what it says."""
    assert planned(ELEVEN, starting_deadline=timedelta(0)).create is not None
    assert planned(ELEVEN + SHORTLY, starting_deadline=timedelta(0)).missed == MissedTicks(ELEVEN, 1)


def test_by_default_a_tick_is_started_whatever_runs() -> None:
    """As in KubeRay."""
    decided = planned(ELEVEN, job(TEN), policy=ALLOW)
    assert (decided.create is not None, decided.replaced) == (True, ())


def test_forbid_waits_for_the_end_and_then_starts_the_last_tick() -> None:
    """As Kubernetes' CronJob does."""
    blocked = planned(NOON, job(TEN), job(at("02 09:00")), policy=FORBID)
    assert blocked.actions == ()
    assert blocked.blocked_by == (job(at("02 09:00")).name, job(TEN).name)
    free = planned(NOON + 5 * MINUTE, done(TEN), policy=FORBID)
    assert free.create is not None
    assert (free.create.tick, free.create.missed) == (NOON, 1)


def test_forbid_waits_for_a_job_that_is_being_deleted() -> None:
    """It may still hold the GPUs."""
    assert planned(ELEVEN, job(TEN, deleting=True), policy=FORBID).blocked_by == (job(TEN).name,)


def test_forbid_with_a_deadline_gives_the_tick_up_once_the_job_has_ended() -> None:
    """Until then nothing is recorded, however many ticks pass."""
    deadline = timedelta(seconds=60)
    blocked = planned(NOON + 5 * MINUTE, job(TEN), policy=FORBID, starting_deadline=deadline)
    assert (blocked.missed, blocked.counted_from, blocked.blocked_by) == (None, None, (job(TEN).name,))
    free = planned(NOON + 5 * MINUTE, done(TEN), policy=FORBID, starting_deadline=deadline)
    assert (free.actions, free.missed) == ((), MissedTicks(NOON, 2))


def test_replace_deletes_what_runs_before_the_next_is_created() -> None:
    """What has ended, or is going already, is left alone."""
    going = job(at("02 08:00"), deleting=True)
    decided = planned(ELEVEN, job(TEN), done(at("02 09:00")), going, policy=REPLACE)
    assert [(action.name, action.uid, action.cause) for action in decided.replaced] == [
        (job(TEN).name, job(TEN).uid, RemovalCause.REPLACED)
    ]
    assert (
        decided.replaced[0].reason == "it still ran at 2027-03-02T11:00:00Z, and concurrencyPolicy is Replace"
    )
    assert decided.stages == (decided.replaced, (decided.create,))


def test_replace_leaves_the_job_of_the_present_tick_alone() -> None:
    """Its tick is not due any more, recorded or not."""
    assert planned(ELEVEN + SHORTLY, job(ELEVEN), policy=REPLACE).actions == ()


@pytest.mark.parametrize("child", [job(ELEVEN), done(ELEVEN), job(ELEVEN, deleting=True)])
def test_a_tick_whose_record_was_lost_is_known_by_its_job(child: ChildJob) -> None:
    """Even by one that is being deleted: somebody has just decided that it should not run."""
    decided = planned(ELEVEN + SHORTLY, child)
    assert (decided.actions, decided.requeue_after) == ((), 3598.0)
    after = record_after(snapshot(ELEVEN + SHORTLY, settings(), child, record=record(TEN)), decided, ())
    assert after.last_schedule == ELEVEN


def test_a_wiped_status_starts_no_tick_that_has_a_job() -> None:
    """Without a status, ticks count from the creation, or from the last job."""
    decided = plan(snapshot(ELEVEN + SHORTLY, settings(), job(ELEVEN), record=CronRecord()))
    assert decided.actions == ()


def test_jobs_without_a_tick_do_not_count_as_one_but_do_run() -> None:
    """Somebody created them by hand for this RayCronJob."""
    by_hand = ChildJob("by-hand", "uid-by-hand", None, ELEVEN)
    assert planned(ELEVEN, by_hand).create is not None
    assert planned(ELEVEN, by_hand, policy=FORBID).blocked_by == ("by-hand",)


def test_ticks_less_than_a_minute_apart_each_have_a_job() -> None:
    """In KubeRay every second one has the name of the first, and is lost."""
    half = timedelta(seconds=30)
    given, names = settings("@every 30s"), set()
    for tick in (CREATED + half, CREATED + 2 * half):
        decided = plan(snapshot(tick, given, record=record(tick - half, "@every 30s")))
        assert decided.create is not None
        assert decided.create.tick == tick
        names.add(decided.create.name)
    assert len(names) == 2


def test_a_suspended_cron_starts_nothing_and_leaves_what_runs() -> None:
    """Nor does it wake up."""
    decided = planned(ELEVEN, job(TEN), suspended=True)
    assert (decided.actions, decided.requeue_after, decided.next_tick) == ((), None, None)


def test_a_resumed_cron_counts_from_then_and_first_records_that() -> None:
    """A crash before the record leads to the same, a moment later."""
    suspended = record(TEN, suspended=True)
    seen = snapshot(at("05 11:00:30"), settings(), record=suspended)
    decided = plan(seen)
    assert (decided.actions, decided.counted_from, decided.requeue_after) == ((), at("05 11:00:30"), 1.0)
    after = record_after(seen, decided, ())
    assert (after.suspended, after.counted_from, after.last_schedule) == (False, at("05 11:00:30"), TEN)
    again = plan(snapshot(at("05 11:00:31"), settings(), record=after))
    assert (again.actions, again.next_tick) == ((), at("05 12:00"))


def test_an_edited_schedule_counts_from_then() -> None:
    """By the new schedule many ticks have passed since the last one, which nobody has missed."""
    edited = settings("*/5 * * * *")
    seen = snapshot(at("02 10:57"), edited, record=record(TEN))
    decided = plan(seen)
    assert (decided.actions, decided.counted_from) == ((), at("02 10:57"))
    again = plan(snapshot(at("02 10:57:01"), edited, record=record_after(seen, decided, ())))
    assert (again.actions, again.next_tick) == ((), at("02 11:00"))


def test_another_template_does_not_make_ticks_count_anew() -> None:
    """A tick that waits for the end of a job must not be lost with an edit."""
    assert planned(ELEVEN, template={"entrypoint": "python other.py"}).create is not None


def test_a_clock_that_was_ahead_starts_no_tick_twice() -> None:
    """The tick of tomorrow has been started; today's are before it."""
    decided = planned(ELEVEN, last=at("03 10:00"))
    assert (decided.actions, decided.ahead, decided.next_tick) == ((), at("03 10:00"), at("03 11:00"))


def test_a_clock_that_was_ahead_when_the_schedule_was_edited_is_of_no_account() -> None:
    """No tick was started by it, so those of today still come."""
    seen = snapshot(ELEVEN, settings(), record=record(TEN, counted_from=at("09 10:00")))
    decided = plan(seen)
    assert (decided.actions, decided.next_tick) == ((), NOON)
    after = record_after(seen, decided, ())
    assert after.counted_from == ELEVEN
    assert plan(snapshot(NOON, settings(), record=after)).create is not None


@pytest.mark.parametrize(
    "fields",
    [{"cron": cron(deleting=True)}, {"other_operator": "ray/ray-operator-leader"}, {"settings": None}],
)
def test_a_cron_that_is_not_ours_to_act_on_has_no_plan(fields: dict[str, Any]) -> None:
    """It is being deleted, is served by another operator, or cannot be understood."""
    given = {"given": settings(successful_limit=0)} | (
        {"given": fields.pop("settings")} if "settings" in fields else {}
    )
    seen = snapshot(NOON, given["given"], done(TEN), record=record(TEN), **fields)
    assert plan(seen) == CronPlan()


def test_a_recorded_time_at_the_end_of_time_is_survived() -> None:
    """Anybody who may write the status can write that."""
    decided = planned(ELEVEN, last=at("02 10:00").replace(year=9999, month=12, day=31, hour=23))
    assert (decided.actions, decided.requeue_after) == ((), None)
