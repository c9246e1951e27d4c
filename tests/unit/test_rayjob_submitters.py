"""Jobs that others submit: a Kubernetes Job, a container next to the head, the user. Ray's word decides."""

from typing import Any

import pytest

from support.job_scenes import ran, submitted
from support.job_trouble import Step, let_head_leave, settle, submit_by_hand
from support.job_world import World

K8S = "K8sJobMode"
SIDECAR = "SidecarMode"
OWN = (K8S, SIDECAR)
INTERACTIVE = "InteractiveMode"


def waits(mode: str, **fields: Any) -> World:
    """A job whose submitter is there, and has not submitted yet."""
    return submitted(submissionMode=mode, **fields)


def ended(world: World) -> tuple[str, str, str]:
    """State, reason, and whose fault it was."""
    return world.state, world.status.get("reason", ""), world.recorded.verdict.category


@pytest.mark.parametrize("mode", [*OWN, INTERACTIVE])
def test_the_operator_does_not_submit_what_others_submit(mode: str) -> None:
    world = waits(mode, jobId="mine")
    world.now += 3600
    world.passes()
    assert (world.state, world.submissions) == ("Running", {})
    assert world.submitters == (mode == K8S)


@pytest.mark.parametrize("mode", OWN)
def test_whoever_submits_is_told_the_id_that_ray_is_asked_for(mode: str) -> None:
    world = waits(mode)
    assert (world.submits or world.cluster.submits) == world.status["jobId"]
    world.run_submitter()
    world.passes()
    assert world.status["jobStatus"] == "PENDING"
    assert settle(world).history == ["Initializing", "Running", "Complete"]


@pytest.mark.parametrize("mode", OWN)
def test_a_submitter_that_fails_before_it_has_submitted_ends_the_attempt(mode: str) -> None:
    """Its own words say why; `jobStatus` stays empty, as Ray never had the job."""
    world = waits(mode)
    world.end_submitter(failed=True, reason="BackoffLimitExceeded", message="ImagePullBackOff")
    world.passes()
    world.now += 10
    world.passes()
    assert ended(world) == ("Failed", "SubmissionFailed", "configuration")
    assert world.status["message"].startswith("The submitter has failed: ")
    assert world.status["message"].endswith(": ImagePullBackOff")
    assert "jobStatus" not in world.status


@pytest.mark.parametrize("mode", OWN)
def test_a_submitter_that_ends_without_submitting_ends_the_attempt(mode: str) -> None:
    world = waits(mode)
    world.end_submitter()
    world.passes()
    world.now += 10
    world.passes()
    assert ended(world) == ("Failed", "AppFailed", "configuration")
    assert world.status["message"] == "The submitter has completed, but Ray does not know the job"


@pytest.mark.parametrize("mode", OWN)
@pytest.mark.parametrize("failed", [False, True])
def test_a_job_that_ray_has_goes_on_without_its_submitter(mode: str, *, failed: bool) -> None:
    """It only followed the log: it was evicted, or its connection was cut, or it does not wait at all."""
    world = ran(submissionMode=mode)
    world.end_submitter(failed=failed, reason="Evicted")
    world.now += 3600
    world.passes()
    assert (world.state, world.status["jobStatus"]) == ("Running", "RUNNING")
    told = [event for event in world.events if event.reason == "RayJobSubmitterFailed"]
    assert len(told) == failed
    world.say("SUCCEEDED")
    assert world.passes().state == "Complete"


@pytest.mark.parametrize("mode", OWN)
def test_ray_is_asked_after_the_submitters_end_and_not_before(mode: str) -> None:
    """An answer that was on its way when the submitter submitted and ended says nothing."""
    world = waits(mode)
    world.poll()
    late = world.heard
    world.run_submitter()
    world.end_submitter()
    world.sync()
    world.heard = late
    decided = world.one_pass()
    assert world.state == "Running"
    assert decided.requeue_after == 10.0
    assert settle(world).state == "Complete"


def test_a_failed_submitter_and_a_silent_ray_end_the_attempt_after_half_a_minute() -> None:
    world = waits(K8S)
    world.is_reachable = False
    world.end_submitter(failed=True)
    world.passes()
    world.now += 29
    assert world.passes().state == "Running"
    world.now += 1
    assert ended(world.passes()) == ("Failed", "SubmissionFailed", "configuration")


def test_that_half_a_minute_begins_anew_with_each_operator() -> None:
    """One that was away asks Ray first, and learns that the job has succeeded."""
    world = waits(K8S)
    world.is_reachable = False
    world.end_submitter(failed=True)
    world.passes()
    world.is_reachable = True
    world.give(world.status["jobId"], world.cluster)
    world.say("SUCCEEDED")
    world.restart()
    world.now += 3600
    world.one_pass()
    assert world.state == "Running"
    assert world.passes().state == "Complete"


def test_a_submitter_that_has_completed_may_have_seen_the_end_so_ray_is_waited_for() -> None:
    world = waits(K8S)
    world.is_reachable = False
    world.run_submitter()
    world.say("SUCCEEDED")
    world.end_submitter()
    world.passes()
    world.now += 240
    assert world.passes().state == "Running"
    world.is_reachable = True
    assert world.passes().state == "Complete"


def test_the_end_is_the_infrastructures_fault_if_another_head_has_taken_over_meanwhile() -> None:
    """The submitter saw the job, and then a head that does not know it."""
    world = waits(K8S)
    world.lose_head()
    world.end_submitter(failed=True, reason="PodFailurePolicy")
    world.passes()
    world.make_ready()
    world.passes()
    world.now += 10
    assert ended(world.passes()) == ("Failed", "SubmissionFailed", "infrastructure")
    assert world.recorded.verdict.cause == "HeadLost"


def test_a_submitter_that_somebody_deletes_is_made_again_only_until_ray_has_the_job() -> None:
    world = waits(K8S)
    world.submitter = None
    world.passes()
    assert world.submitters == 2
    world.run_submitter()
    world.passes()
    world.submitter = None
    world.passes()
    assert (world.state, world.submitters) == ("Running", 2)


def test_a_job_that_ray_has_already_gets_no_other_submitter() -> None:
    """Nobody had seen that before its submitter was deleted."""
    world = waits(K8S)
    world.run_submitter()
    world.submitter = None
    world.passes()
    assert (world.status["jobStatus"], world.submitters) == ("PENDING", 1)


@pytest.mark.parametrize("resumes", [False, True])
def test_a_submitter_whose_creation_was_not_heard_of_in_time_is_not_taken_for_a_later_one(
    *, resumes: bool
) -> None:
    """The job was suspended meanwhile; what it submits is the job of an earlier attempt."""
    world = waits(K8S, shutdownAfterJobFinishes=True)
    late = world.submitter
    world.edit(suspend=True)
    world.passes()
    world.submitter = late
    if resumes:
        world.edit(suspend=False)
    world.passes()
    assert world.submitter is None
    world.edit(suspend=False)
    assert settle(world).status["succeeded"] == 1


@pytest.mark.parametrize("lose", [World.lose_head, let_head_leave])
@pytest.mark.parametrize("begun", [False, True])
def test_the_head_of_sidecar_mode_is_the_only_one(lose: Step, *, begun: bool) -> None:
    """Another one would submit the job again, so none comes, and the attempt is over."""
    world = ran(submissionMode=SIDECAR) if begun else waits(SIDECAR)
    lose(world)
    world.passes()
    assert ended(world) == ("Failed", "AppFailed", "infrastructure")


def test_a_sidecar_that_fails_gets_another_head_if_the_job_is_tried_again() -> None:
    world = waits(SIDECAR, backoffLimit=1)
    world.end_submitter(failed=True)
    world.passes()
    world.now += 10
    world.passes()
    assert (world.state, world.made) == ("Initializing", 2)
    assert settle(world).status["succeeded"] == 1


def test_a_restarted_operator_knows_that_the_only_head_is_gone_before_the_job_ran() -> None:
    world = waits(SIDECAR)
    world.lose_head()
    world.restart()
    assert ended(world.passes()) == ("Failed", "AppFailed", "infrastructure")


# InteractiveMode


def test_a_job_that_its_user_has_yet_to_submit_is_waited_for() -> None:
    """The command that submits it says its id before the job exists."""
    world = waits(INTERACTIVE, jobId="raysubmit_1")
    world.now += 7200
    world.passes()
    assert (world.state, world.status["jobId"]) == ("Running", "raysubmit_1")
    assert "jobStatus" not in world.status
    submit_by_hand(world)
    assert settle(world).status["succeeded"] == 1


def test_a_job_that_its_user_never_submits_ends_by_the_deadline_for_its_start() -> None:
    world = waits(INTERACTIVE, jobId="raysubmit_1", preRunningDeadlineSeconds=600)
    world.now += 599
    assert world.passes().state == "Running"
    world.now += 1
    assert ended(world.passes()) == ("Failed", "PreRunningDeadlineExceeded", "application")
    assert world.recorded.verdict.evidence == ("the user has not submitted the job",)


def test_that_deadline_is_over_once_ray_has_the_job() -> None:
    world = ran(submissionMode=INTERACTIVE, jobId="raysubmit_1", preRunningDeadlineSeconds=600)
    world.now += 3600
    assert world.passes().state == "Running"


def test_the_user_may_name_another_job_until_ray_has_the_first() -> None:
    world = waits(INTERACTIVE, jobId="wrnog")
    world.edit(jobId="wrong")
    world.passes()
    assert world.status["jobId"] == "wrong"
    submit_by_hand(world)
    world.passes()
    world.edit(jobId="other")
    assert world.passes().status["jobId"] == "wrong"


def test_a_cluster_that_is_deleted_while_its_user_is_waited_for_is_made_again() -> None:
    world = waits(INTERACTIVE)
    world.clusters.clear()
    world.passes()
    assert (world.state, world.made, len(world.clusters)) == ("Waiting", 2, 1)
