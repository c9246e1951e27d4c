"""A RayCronJob over many passes, of which any may be cut short, and whose clock jumps."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from rayfleet.api.raycronjob.spec import ConcurrencyPolicy
from rayfleet.api.raycronjob.status import recorded
from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.raycronjob.actions import CreateJob, DeleteJob
from rayfleet.kinds.raycronjob.plan import plan
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord, CronSettings
from rayfleet.kinds.raycronjob.status import compute_status, record_of
from support.crons import ALLOW, CREATED, FORBID, MINUTE, REPLACE, cron, job, settings, snapshot

SCHEDULES = ["* * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "@every 30s", "@every 90s", "@every 1h"]
policies = st.sampled_from([ALLOW, FORBID, REPLACE])
limits = st.sampled_from([None, 0, 0, 1, 3])
jumps = st.one_of(st.integers(1, 90), st.integers(60, 7200), st.integers(3600, 20 * 86_400))


class Cron(RuleBasedStateMachine):
    """One RayCronJob; `status` and `jobs` are what the API server stores, and all that a restart leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = CREATED
        self.settings: CronSettings = settings(SCHEDULES[0])
        self.status: dict[str, Any] = {}
        self.jobs: dict[str, ChildJob] = {}
        self.created: Counter[datetime] = Counter()
        self.last_created: datetime | None = None
        self.created_at_this_moment = 0
        self.anew_since: datetime | None = None
        """When a schedule that had been reported was edited or resumed."""

    @initialize(schedule=st.sampled_from(SCHEDULES), policy=policies, limit=limits)
    def it_is_created(self, schedule: str, policy: ConcurrencyPolicy, limit: int | None) -> None:
        self.settings = settings(schedule, policy=policy, successful_limit=limit, failed_limit=limit)

    @rule(seconds=jumps)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.created_at_this_moment = 0

    @rule(seconds=jumps)
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.now = max(self.now - timedelta(seconds=seconds), CREATED)
        if self.anew_since is not None:
            self.anew_since = min(self.anew_since, self.now)

    @rule(schedule=st.sampled_from(SCHEDULES))
    def the_schedule_is_edited(self, schedule: str) -> None:
        edited = settings(schedule)
        self.settings = replace(self.settings, schedule=edited.schedule, schedule_text=schedule)
        is_news = self.record.reported and self.record.schedule_text != schedule
        self.anew_since = self.now if is_news else None

    @rule(suspended=st.booleans())
    def it_is_suspended_or_resumed(self, *, suspended: bool) -> None:
        self.settings = replace(self.settings, suspended=suspended)
        if self.record.suspended and not suspended:
            self.anew_since = self.now

    @rule(policy=policies, deadline=st.sampled_from([None, 0, 10, 100, 4000]), limit=limits)
    def its_policies_are_edited(
        self, policy: ConcurrencyPolicy, deadline: int | None, limit: int | None
    ) -> None:
        late = None if deadline is None else timedelta(seconds=deadline)
        self.settings = replace(
            self.settings, policy=policy, starting_deadline=late, successful_limit=limit, failed_limit=limit
        )

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), succeeded=st.booleans(), holds_resources=st.booleans())
    def a_job_ends(self, data: st.DataObject, *, succeeded: bool, holds_resources: bool) -> None:
        child = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        self.jobs[child.name] = replace(
            child, finished=True, succeeded=succeeded, finished_at=self.now, holds_resources=holds_resources
        )

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def somebody_deletes_a_job_whose_tick_is_recorded(self, data: st.DataObject) -> None:
        child = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        last = self.record.last_schedule
        if child.tick is not None and last is not None and child.tick <= last:
            del self.jobs[child.name]

    @precondition(lambda self: self.last_created in {child.tick for child in self.jobs.values()})
    @rule()
    def the_status_is_wiped_while_the_last_job_is_there(self) -> None:
        """Then ticks count from that job, even if the schedule was edited or resumed after it."""
        self.status = {}
        self.anew_since = None
        self.created_at_this_moment = 0

    @rule()
    def passes_are_made(self) -> None:
        """At one moment, a few passes do all there is to do, and then the status is not written any more."""
        for _ in range(6):
            before = self.status
            self.make_pass()
        assert self.status == before

    @rule()
    def a_pass_is_made(self) -> None:
        self.make_pass()

    @property
    def record(self) -> CronRecord:
        return record_of(recorded(self.status))

    @rule(writes=st.integers(0, 3), is_behind=st.booleans())
    def a_pass_is_cut_short(self, writes: int, *, is_behind: bool) -> None:
        """The process dies after some writes, or the status cannot be written."""
        self.make_pass(writes, is_behind=is_behind)

    def make_pass(self, writes: int = 1000, *, is_behind: bool = False) -> float | None:
        """One pass of a new process; one whose cache is behind does not see the job of the present tick."""
        tick = self.settings.schedule.last_until(self.now) if is_behind else None
        seen = [child for child in self.jobs.values() if tick is None or child.tick != tick]
        root = replace(cron(), status=self.status)
        before = snapshot(self.now, self.settings, *seen, cron=root, record=self.record)
        decided = plan(before)
        actions = decided.actions[:writes]
        outcomes: list[Outcome] = [Succeeded(action) for action in actions if self.carry_out(action)]
        if len(decided.actions) < writes:
            after = replace(before, children=tuple(self.jobs.values()))
            self.status = compute_status(after, decided, outcomes)
        return decided.requeue_after

    def carry_out(self, action: CreateJob | DeleteJob) -> bool:
        if isinstance(action, DeleteJob):
            child = self.jobs.pop(action.name)
            assert not child.holds_resources
            assert child.finished or self.settings.policy == REPLACE
            return True
        assert not self.settings.suspended
        assert action.tick == self.settings.schedule.last_until(self.now)
        if self.record.schedule_text == self.settings.schedule_text and self.anew_since is not None:
            assert action.tick > self.anew_since.replace(microsecond=0)
        if action.name not in self.jobs:
            assert self.settings.policy != FORBID or all(child.finished for child in self.jobs.values())
            self.jobs[action.name] = job(action.tick, gap=self.settings.schedule.gap)
            self.created[action.tick] += 1
            self.created_at_this_moment += 1
            self.last_created = action.tick
        return True

    @invariant()
    def no_tick_has_had_two_jobs(self) -> None:
        assert self.created.total() == len(self.created)

    @invariant()
    def no_moment_has_had_two_jobs(self) -> None:
        """However many ticks were missed, and whatever was lost."""
        assert self.created_at_this_moment <= 1

    def teardown(self) -> None:
        """Left alone, it starts the next tick in time, unless a clock was ahead."""
        self.settings = replace(self.settings, suspended=False, policy=ALLOW, starting_deadline=10 * MINUTE)
        for _ in range(200):
            wait = self.make_pass()
            ahead = self.record.last_schedule is not None and self.record.last_schedule > self.now
            if ahead or (self.created and max(self.created) > self.now):
                return
            assert wait is not None
            tick = self.settings.schedule.last_until(self.now)
            if self.last_created == tick and self.created_at_this_moment:
                return
            self.now += timedelta(seconds=wait)
            self.created_at_this_moment = 0
        raise AssertionError("no tick was started")


TestCron = Cron.TestCase
TestCron.settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)
