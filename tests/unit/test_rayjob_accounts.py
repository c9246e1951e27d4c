"""What is counted of jobs, on the life of a job as values."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.rayjob.status import JobDeploymentStatus
from rayfleet.engine.conditions import rfc3339
from rayfleet.fleet.jobs import RECORD, SUBMIT, TOTAL
from rayfleet.kinds.rayjob.accounts import VERDICTS, Execution, JobAccounts
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot
from rayfleet.kinds.rayjob.verdict import FailureCause
from support.builders import NOW
from support.job_view import snapshot
from support.job_world import World, job_spec

RETRIES = {"infrastructureLimit": 3, "backoffSeconds": 10}


class Watched:
    """A job whose passes the accounts see."""

    def __init__(self, accounts: JobAccounts | None = None, created: float = NOW, **fields: Any) -> None:
        self.accounts = accounts if accounts is not None else JobAccounts()
        self.world = World(job_spec(**fields))
        self._created = created
        self.head_ready = 0.0

    def snapshot(self) -> JobSnapshot:
        seen = snapshot(self.world)
        job = replace(seen.job, created=self._created)
        cluster = seen.cluster
        if isinstance(cluster, ClusterFacts) and cluster.head is not None:
            cluster = replace(cluster, head=replace(cluster.head, readiness_since=self.head_ready))
        return replace(seen, job=job, cluster=cluster)

    def passes(self, count: int = 8) -> None:
        for _ in range(count):
            self.world.finish_going()
            self.world.poll()
            self.accounts.settled(self.snapshot())
            self.world.one_pass()

    def run(self) -> None:
        """Ray runs it."""
        self.passes()
        self.world.make_ready()
        self.passes()
        self.world.say("RUNNING")
        self.passes()

    def end(self, status: str, **fields: Any) -> None:
        self.world.say(status, **fields)
        self.passes()

    @property
    def counted(self) -> Mapping[tuple[str, str, str], int]:
        """The attempts that have ended, without the zeros."""
        return {labels: count for labels, count in self.accounts.fleet.attempts.items() if count}

    def taken(self, phase: str) -> tuple[int, float]:
        """How many waits of a phase were counted, and their seconds together."""
        durations = self.accounts.fleet.durations[phase]
        return durations.counts[-1], durations.total


def test_every_cause_of_a_verdict_has_its_series_from_the_start() -> None:
    assert {cause for _, cause in VERDICTS} == set(map(str, FailureCause))
    assert len(VERDICTS) == len(FailureCause)
    attempts = JobAccounts().fleet.attempts
    assert {(category, cause) for _, category, cause in attempts} == {*VERDICTS, ("None", "None")}
    assert set(attempts.values()) == {0}


@pytest.mark.parametrize(("said", "result"), [("SUCCEEDED", "succeeded"), ("STOPPED", "stopped")])
def test_an_attempt_that_ends_well_counts_once(said: str, result: str) -> None:
    job = Watched()
    job.run()
    assert not job.counted
    job.end(said)
    job.passes()
    assert job.counted == {(result, "None", "None"): 1}


def test_an_attempt_that_fails_counts_by_its_verdict_and_by_what_follows() -> None:
    """The first failure of two is retried."""
    job = Watched(backoffLimit=1)
    job.run()
    job.end("FAILED", driver_exit_code=1)
    assert job.counted == {("retried", "application", "DriverExited"): 1}
    job.run()
    job.end("FAILED", driver_exit_code=1)
    assert job.counted == {
        ("retried", "application", "DriverExited"): 1,
        ("failed", "application", "DriverExited"): 1,
    }


def test_a_lost_head_counts_as_infrastructure() -> None:
    job = Watched()
    job.run()
    job.world.lose_head()
    job.passes()
    job.world.make_ready()
    job.passes()
    assert job.counted == {("failed", "infrastructure", "HeadLost"): 1}


def test_an_attempt_that_is_suspended_has_not_failed() -> None:
    job = Watched(shutdownAfterJobFinishes=True)
    job.run()
    job.world.edit(suspend=True)
    job.passes()
    assert job.world.status["jobDeploymentStatus"] == "Suspended"
    assert job.counted == {("suspended", "None", "None"): 1}


def test_a_verdict_that_we_do_not_know_is_one_series() -> None:
    """Whoever may write the status could otherwise make a series of each text."""
    job = Watched()
    job.run()
    job.world.status |= {
        "jobDeploymentStatus": str(JobDeploymentStatus.FAILED),
        "endTime": rfc3339(NOW),
        "verdict": {"category": "infrastructure", "cause": "of mine"},
    }
    job.passes()
    assert job.counted == {("failed", "Other", "Other"): 1}


def test_what_happened_before_this_leader_looked_does_not_count() -> None:
    """Another leader has counted it, or it is lost."""
    job = Watched()
    job.run()
    job.world.say("SUCCEEDED")
    job.world.passes()
    job.accounts.forget_all()
    job.passes()
    assert not job.counted
    assert job.taken(RECORD) == (0, 0.0)


def test_a_standby_counts_nothing_and_remembers_nothing() -> None:
    """A pass may be under way when the Lease is lost."""
    leads = True
    job = Watched(JobAccounts(lambda: leads))
    job.run()
    leads = False
    job.end("SUCCEEDED")
    leads = True
    job.passes()
    assert not job.counted


def test_a_job_of_another_operator_does_not_count() -> None:
    job = Watched()
    job.run()
    job.world.say("SUCCEEDED")
    job.world.passes()
    job.accounts.settled(replace(job.snapshot(), other_operator="kuberay"))
    job.accounts.settled(job.snapshot())
    assert not job.counted


def test_another_job_of_the_same_name_is_not_compared_with_the_last_one() -> None:
    job = Watched()
    job.run()
    seen = job.snapshot()
    job.world.say("SUCCEEDED")
    job.world.passes()
    later = job.snapshot()
    job.accounts.settled(replace(later, job=replace(later.job, uid="another")))
    assert not job.counted
    job.accounts.settled(seen)
    job.accounts.forget(seen.job.key)
    job.accounts.settled(later)
    assert not job.counted


def test_the_way_to_ray_is_timed_from_creation_and_from_the_head() -> None:
    """Created 50 s ago; the head is ready 20 s before Ray runs the job."""
    job = Watched(created=NOW - 30)
    job.passes()
    job.head_ready = NOW
    job.world.make_ready()
    job.passes()
    job.world.now = NOW + 20
    job.world.say("RUNNING")
    job.passes()
    assert job.taken(SUBMIT) == (1, 20.0)
    assert job.taken(TOTAL) == (1, 50.0)
    job.end("SUCCEEDED")
    assert job.taken(SUBMIT) == (1, 20.0)
    assert job.taken(TOTAL) == (1, 50.0)


def test_a_job_that_ends_before_it_was_seen_to_run_has_run() -> None:
    job = Watched()
    job.passes()
    job.world.make_ready()
    job.passes()
    job.world.now = NOW + 3
    job.end("SUCCEEDED")
    assert job.taken(SUBMIT) == (1, 3.0)
    assert job.counted == {("succeeded", "None", "None"): 1}


def test_a_later_attempt_is_timed_from_its_own_beginning() -> None:
    """Its head may have been ready all along; the time since the creation says nothing about it."""
    job = Watched(backoffLimit=1, retryPolicy=RETRIES)
    job.run()
    job.end("FAILED", driver_exit_code=1)
    job.world.now = NOW + 100
    job.passes()
    assert job.world.status["attempt"] == 2
    job.world.now = NOW + 104
    job.world.say("RUNNING")
    job.passes()
    assert job.taken(SUBMIT) == (2, 4.0)
    assert job.taken(TOTAL) == (1, 0.0)


def test_the_time_in_suspension_is_nobodys_wait() -> None:
    job = Watched(created=NOW - 5000, suspend=True, shutdownAfterJobFinishes=True)
    job.passes()
    job.world.edit(suspend=False)
    job.run()
    assert job.taken(SUBMIT)[0] == 1
    assert job.taken(TOTAL)[0] == 0


def test_jobs_that_users_submit_do_not_count_as_slow_to_start() -> None:
    job = Watched(submissionMode="InteractiveMode", entrypoint="")
    job.passes()
    job.world.make_ready()
    job.passes()
    job.world.edit(jobId="mine")
    (cluster,) = job.world.clusters.values()
    job.world.give("mine", cluster)
    job.passes()
    job.end("RUNNING")
    assert job.world.status["jobStatus"] == "RUNNING"
    assert job.taken(SUBMIT)[0] == job.taken(TOTAL)[0] == 0
    job.end("SUCCEEDED")
    assert job.counted == {("succeeded", "None", "None"): 1}


def test_an_end_is_timed_until_it_is_recorded() -> None:
    """The operator hears of it three seconds later."""
    job = Watched()
    job.run()
    job.world.say("SUCCEEDED")
    job.world.now += 3
    job.passes()
    assert job.taken(RECORD) == (1, 3.0)


def test_an_end_before_the_beginning_is_not_believed() -> None:
    """A head may say anything, and one such time would outweigh all others."""
    job = Watched()
    job.run()
    job.world.say("SUCCEEDED")
    for cluster in job.world.clusters.values():
        cluster.jobs = {name: replace(each, end_time=1000) for name, each in cluster.jobs.items()}
    job.passes()
    assert job.counted == {("succeeded", "None", "None"): 1}
    assert job.taken(RECORD) == (0, 0.0)


def test_the_last_attempt_that_was_retried_is_remembered_until_the_job_ends() -> None:
    job = Watched(backoffLimit=2)
    key, uid = job.world.job.key, job.world.job.uid
    job.run()
    assert job.accounts.retried(key, uid) is None
    job.world.now += 60
    job.end("FAILED", driver_exit_code=1)
    assert job.accounts.retried(key, uid) == Execution(60.0, 0)
    assert job.accounts.retried(key, "another") is None
    job.run()
    assert job.accounts.retried(key, uid) == Execution(60.0, 0)
    job.world.now += 7
    job.end("FAILED", driver_exit_code=1)
    assert job.accounts.retried(key, uid) == Execution(7.0, 1)
    job.run()
    job.end("SUCCEEDED")
    assert job.accounts.retried(key, uid) is None
