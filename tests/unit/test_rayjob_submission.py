"""How a job gets into Ray: once for each head, whoever submits it, and whatever is lost on the way."""

from typing import Any

import pytest

from rayfleet.kinds.rayjob.actions import RecordSubmission, SubmitJob
from support.job_scenes import on_a_selected_cluster, ran, submitted, waits_for_cluster
from support.job_trouble import see_all, settle
from support.job_world import World


def ready(**fields: Any) -> World:
    """A job in Running whose head has just said that it does not know it."""
    world = waits_for_cluster(**fields)
    world.make_ready()
    for _ in range(2):
        see_all(world)
    assert world.state == "Running"
    return world


def submissions(world: World) -> int:
    return sum(world.submissions.values())


def test_which_head_gets_the_job_is_recorded_before_it_is_sent() -> None:
    world = ready()
    world.poll()
    decided = world.one_pass()
    assert [[type(a) for a in stage] for stage in decided.stages] == [[RecordSubmission], [SubmitJob]]
    recorded = world.recorded.submission
    assert (recorded.cluster_uid, recorded.head_epoch) == ("c1", 0)
    assert recorded.sent_time == recorded.accepted_time == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_an_operator_that_dies_on_the_way_submits_once(writes: int) -> None:
    """Before it has recorded anything, before and after it has sent the job, and before it says so."""
    world = ready()
    world.poll()
    world.one_pass(die_after=writes)
    world.passes()
    assert submissions(world) == 1
    assert world.recorded.submission.accepted_time is not None
    assert settle(world).history == ["Initializing", "Running", "Complete"]


def test_a_submission_whose_answer_was_lost_is_not_repeated() -> None:
    world = ready()
    world.loses_answers = True
    for _ in range(4):
        see_all(world)
    assert submissions(world) == 1
    assert world.status["jobStatus"] == "PENDING"


def test_nothing_is_submitted_before_ray_has_answered() -> None:
    """It may have the job already."""
    world = waits_for_cluster()
    world.make_ready()
    world.is_reachable = False
    world.passes()
    assert world.state == "Running"
    assert submissions(world) == 0
    world.is_reachable = True
    assert submissions(world.passes()) == 1


def test_the_next_head_gets_a_job_that_the_last_one_never_had() -> None:
    """Its state is known again only once that head is ready."""
    world = ready()
    world.lose_head()
    world.passes()
    assert world.state == "Initializing"
    world.make_ready()
    world.passes()
    assert [(uid, life) for uid, life, _ in world.submissions] == [("c1", 1)]
    assert world.recorded.submission.head_epoch == 1


def test_a_job_is_not_sent_to_a_head_that_was_replaced_meanwhile() -> None:
    world = ready()
    world.poll()
    world.lose_head()
    world.make_ready()
    world.one_pass()
    assert submissions(world) == 0


def test_a_head_that_forgets_the_job_ends_the_attempt_instead_of_getting_it_again() -> None:
    """Its program may have run for hours, and would run a second time unnoticed."""
    world = ran()
    world.now += 60
    world.forget()
    world.passes()
    assert (world.state, world.status["reason"]) == ("Failed", "AppFailed")
    assert world.recorded.verdict.cause == "JobForgotten"
    assert submissions(world) == 1


def test_an_answer_to_an_earlier_question_does_not_mean_that_the_job_is_forgotten() -> None:
    world = ready()
    world.poll()
    unknown = world.heard
    world.one_pass()
    world.heard = unknown
    decided = world.one_pass()
    assert world.state == "Running"
    assert decided.requeue_after == 10.0
    assert settle(world).state == "Complete"


def test_a_job_that_ray_refuses_ends_at_once_and_was_never_in_ray() -> None:
    world = ready()
    world.refusal = "runtime_env is not valid"
    world.passes()
    assert (world.state, world.status["reason"]) == ("Failed", "SubmissionFailed")
    assert "jobStatus" not in world.status
    assert world.status["message"] == "Ray refuses the job: runtime_env is not valid"


def test_nothing_breaks_if_the_cluster_is_edited_into_nonsense_meanwhile() -> None:
    world = waits_for_cluster(submissionMode="K8sJobMode")
    world.make_ready()
    see_all(world)
    world.cluster.spec = {"headGroupSpec": "none"}
    world.passes()
    assert (world.state, world.submitters) == ("Running", 0)


def test_a_job_of_the_same_id_on_a_selected_cluster_is_not_taken_for_this_one() -> None:
    """It may have succeeded last week."""
    world = on_a_selected_cluster(jobId="nightly")
    world.give("nightly", world.clusters["shared"])
    world.say("SUCCEEDED")
    world.passes()
    assert (world.state, world.status["reason"]) == ("Failed", "SubmissionFailed")
    assert (
        world.status["message"] == "Ray already has another job with the id nightly: set another spec.jobId"
    )


# HTTPMode: the dashboard


def test_a_dashboard_that_cannot_be_asked_for_five_minutes_ends_the_attempt() -> None:
    world = ran()
    world.is_reachable = False
    world.passes()
    assert world.status["jobStatusCheckFailureStartTime"] == "2027-01-15T08:00:00Z"
    world.now += 299
    assert world.passes().state == "Running"
    world.now += 1
    world.passes()
    assert (world.state, world.status["reason"]) == ("Failed", "JobStatusCheckTimeoutExceeded")
    assert world.status["jobStatus"] == "RUNNING"


def test_a_good_answer_ends_the_count() -> None:
    world = ran()
    world.is_reachable = False
    world.passes()
    world.is_reachable, world.now = True, world.now + 200
    assert "jobStatusCheckFailureStartTime" not in world.passes().status


def test_an_operator_that_was_away_asks_for_half_a_minute_before_it_gives_up() -> None:
    world = ran()
    world.is_reachable = False
    world.passes()
    world.restart()
    world.now += 3600
    world.passes()
    assert world.state == "Running"
    world.now += 29
    assert world.passes().state == "Running"
    world.now += 1
    assert world.passes().state == "Failed"


def test_a_head_that_is_there_and_is_never_asked_counts_as_unreachable() -> None:
    """As when the cluster was edited into nonsense, and nobody knows its port any more."""
    world = ran()
    world.heard = None
    for seconds in (0, 10, 20, 260):
        world.now += seconds
        world.one_pass()
        assert world.state == "Running"
    world.now += 10
    world.one_pass()
    assert (world.state, world.status["reason"]) == ("Failed", "JobStatusCheckTimeoutExceeded")


def test_a_cluster_without_any_head_has_lost_the_job_even_if_nobody_saw_it_go() -> None:
    """The operator was away. For some seconds a cache may be behind."""
    world = ran()
    world.restart()
    world.lose_head()
    world.passes()
    assert world.state == "Running"
    world.now += 10
    world.passes()
    assert (world.state, world.recorded.verdict.cause) == ("Failed", "HeadLost")


def test_a_head_of_an_earlier_epoch_in_the_cache_does_not_mean_that_the_job_is_lost() -> None:
    world = ran()
    world.lose_head()
    world.make_ready()
    world.status["submission"]["headEpoch"] = 1
    world.one_pass()
    assert world.state == "Running"


def test_with_a_store_of_its_state_the_job_goes_on_under_another_head() -> None:
    world = ran()
    world.cluster.keeps_state = True
    world.lose_head()
    world.passes()
    assert world.state == "Running"
    world.make_ready()
    world.passes()
    assert (world.state, world.recorded.submission.head_epoch) == ("Running", 1)
    world.say("SUCCEEDED")
    assert world.passes().state == "Complete"


# The Service, and the finalizer


def test_the_service_leads_to_the_head_of_the_present_attempt() -> None:
    world = ran(backoffLimit=1)
    assert world.service is not None
    first = world.service.selector["ray.io/cluster"]
    world.say("FAILED")
    world.passes()
    world.make_ready()
    world.passes()
    assert world.service.selector["ray.io/cluster"] == world.cluster.name != first


def test_a_service_that_cannot_be_made_holds_up_nothing() -> None:
    """A RayCluster of the RayJob's name has a Service of this name."""
    world = waits_for_cluster()
    world.is_service_taken = True
    world.make_ready()
    assert submissions(world.passes()) == 1
    assert "FailedToCreateService" in [event.reason for event in world.events]


def test_a_job_on_a_selected_cluster_is_held_before_it_is_submitted() -> None:
    """The cluster stays when the job is deleted, so Ray has to be asked to stop it."""
    world = on_a_selected_cluster()
    while not submissions(world):
        assert not submissions(world)
        see_all(world)
        assert not submissions(world) or world.finalizers == {"ray.io/rayjob-finalizer"}
    assert ran().finalizers == frozenset()
    assert submitted(submissionMode="K8sJobMode").finalizers == frozenset()
