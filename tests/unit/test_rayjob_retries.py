"""How often a job is tried again, when, and on which cluster."""

from typing import Any

import pytest

from support.job_scenes import ran, submitted, waits_for_cluster
from support.job_trouble import let_head_leave
from support.job_world import World

POLICY: dict[str, Any] = {"retryPolicy": {}}
ECC = "uncorrectable ECC error"


def fails(world: World, message: str = "Traceback") -> World:
    """The job fails, and a possible next attempt runs at once."""
    world.say("FAILED", message=message)
    world.passes()
    if world.state == "Retrying":
        world.now += 1000
        world.passes()
    return runs(world)


def runs(world: World) -> World:
    world.make_ready()
    world.passes()
    world.run_submitter()
    world.say("RUNNING")
    return world.passes()


def counts(world: World) -> tuple[int, int, int]:
    recorded = world.recorded
    return recorded.failed or 0, recorded.infrastructure_failures or 0, recorded.attempt or 0


# Without a policy the reference's counting holds


@pytest.mark.parametrize("limit", [0, 1, 2])
@pytest.mark.parametrize("message", ["Traceback", ECC])
def test_without_a_policy_each_failure_counts_and_each_attempt_has_a_new_cluster(
    limit: int, message: str
) -> None:
    """`backoffLimit: 2`: three clusters one after the other, and `failed` is 3 in the end."""
    world = ran(backoffLimit=limit)
    for _ in range(limit + 1):
        assert world.state == "Running"
        fails(world, message)
    assert (world.state, counts(world)) == ("Failed", (limit + 1, 0, limit + 1))
    assert (world.made, world.status["succeeded"]) == (limit + 1, 0)
    assert len(set(world.submissions)) == limit + 1


def test_without_a_policy_the_next_attempt_begins_at_once() -> None:
    world = ran(backoffLimit=1)
    world.say("FAILED")
    world.passes()
    assert (world.state, world.made) == ("Initializing", 2)
    assert "nextAttemptTime" not in world.status


def test_a_success_after_a_failure_counts_both() -> None:
    world = fails(ran(backoffLimit=2))
    world.say("SUCCEEDED")
    world.passes()
    assert (world.state, counts(world), world.status["succeeded"]) == ("Complete", (1, 0, 2), 1)


def test_a_job_that_somebody_stops_is_not_tried_again() -> None:
    world = ran(backoffLimit=2)
    world.say("STOPPED")
    world.passes()
    assert (world.state, counts(world), world.status["succeeded"]) == ("Complete", (0, 0, 1), 0)


def unreachable_for_five_minutes(world: World) -> World:
    world.is_reachable = False
    world.passes()
    world.now += 300
    return world.passes()


def test_neither_a_deadline_nor_a_silent_dashboard_is_tried_again_without_a_policy() -> None:
    world = ran(backoffLimit=2, activeDeadlineSeconds=60)
    world.now += 60
    assert (world.passes().state, counts(world)) == ("Failed", (1, 0, 1))
    world = unreachable_for_five_minutes(ran(backoffLimit=2))
    assert (world.state, counts(world)) == ("Failed", (1, 0, 1))


def test_a_late_start_is_tried_again() -> None:
    world = waits_for_cluster(backoffLimit=1, preRunningDeadlineSeconds=60)
    world.now += 60
    world.passes()
    assert (world.state, counts(world)) == ("Initializing", (1, 0, 2))
    assert world.status["startTime"] == "2027-01-15T08:01:00Z"


# With a policy


def test_failures_of_the_infrastructure_have_a_bound_of_their_own() -> None:
    world = ran(**POLICY)
    for _ in range(4):
        assert world.state == "Running"
        fails(world, ECC)
    assert (world.state, counts(world)) == ("Failed", (4, 4, 4))


def test_failures_of_the_program_count_against_the_usual_limit() -> None:
    world = ran(**POLICY, backoffLimit=1)
    fails(fails(fails(world, ECC)), ECC)
    assert (world.state, counts(world)) == ("Running", (3, 2, 4))
    assert fails(world).state == "Failed"
    assert counts(world) == (4, 2, 4)


def test_configuration_is_never_tried_again() -> None:
    world = ran(**POLICY, backoffLimit=9)
    world.say("FAILED", error_type="RUNTIME_ENV_SETUP_FAILURE")
    assert (world.passes().state, counts(world)) == ("Failed", (1, 0, 1))


def test_with_a_policy_a_silent_dashboard_is_tried_again_on_a_new_cluster() -> None:
    world = unreachable_for_five_minutes(ran(**POLICY))
    world.is_reachable, world.now = True, world.now + 10
    world.passes()
    assert (world.state, counts(world), world.made) == ("Initializing", (1, 1, 2), 2)


def test_even_with_a_policy_a_deadline_is_the_end() -> None:
    world = ran(**POLICY, backoffLimit=2, activeDeadlineSeconds=60)
    world.now += 60
    assert world.passes().state == "Failed"


def test_each_wait_is_twice_as_long_as_the_last_up_to_a_limit() -> None:
    """It is counted over failures of every kind."""
    world = ran(retryPolicy={"backoffSeconds": 10, "maxBackoffSeconds": 60, "infrastructureLimit": 9})
    waits = []
    for _ in range(5):
        world.say("FAILED", message=ECC)
        world.poll()
        world.one_pass()
        decided = world.one_pass()
        assert world.state == "Retrying"
        waits.append(decided.requeue_after)
        assert decided.requeue_after is not None
        world.now += decided.requeue_after - 1
        assert world.passes().state == "Retrying"
        world.now += 1
        world.passes()
        assert "nextAttemptTime" not in world.status
        runs(world)
    assert waits == [10, 20, 40, 60, 60]


def test_no_gpu_is_held_for_an_attempt_that_cannot_use_it() -> None:
    """While the next attempt waits, a cluster that is not used again is gone."""
    world = ran(retryPolicy={"cluster": "Recreate"}, backoffLimit=1)
    world.say("FAILED")
    world.passes()
    assert (world.state, world.clusters) == ("Retrying", {})


# The same cluster


def test_the_cluster_is_used_again_while_its_head_is_healthy() -> None:
    """Its GPUs are there, its images are pulled: the next attempt begins within a pass."""
    world = ran(**POLICY, backoffLimit=1)
    name, first = world.status["rayClusterName"], world.status["jobId"]
    fails(world)
    assert (world.state, world.made) == ("Running", 1)
    assert world.status["rayClusterName"] == name
    assert world.status["jobId"] != first
    assert sorted(world.submissions) == sorted([("c1", 0, first), ("c1", 0, world.status["jobId"])])


def test_an_id_that_the_user_demands_gets_an_ending_on_a_cluster_that_has_had_it() -> None:
    world = fails(ran(**POLICY, backoffLimit=2, jobId="mine"))
    second = world.status["jobId"]
    assert second.startswith("mine-")
    fails(world)
    assert world.status["jobId"].startswith("mine-")
    assert world.status["jobId"] != second


def test_the_last_attempts_submitter_goes_before_the_next_one_comes() -> None:
    world = ran(submissionMode="K8sJobMode", **POLICY, backoffLimit=1)
    first = world.submits
    fails(world)
    assert (world.state, world.made, world.submitters) == ("Running", 1, 2)
    assert world.submits == world.status["jobId"] != first


def test_a_lost_head_speaks_against_its_cluster() -> None:
    world = ran(**POLICY)
    let_head_leave(world)
    world.passes()
    assert (world.state, world.clusters) == ("Retrying", {})


def test_a_cluster_whose_head_goes_while_the_next_attempt_waits_is_not_used_again() -> None:
    world = ran(**POLICY, backoffLimit=1)
    world.say("FAILED")
    world.passes()
    assert len(world.clusters) == 1
    world.lose_head()
    world.passes()
    assert (world.state, world.clusters) == ("Retrying", {})


def test_a_job_that_may_still_come_speaks_against_its_cluster() -> None:
    """Its submitter was there when the head went, and the cluster did not come back in time."""
    world = submitted(submissionMode="K8sJobMode", **POLICY, preRunningDeadlineSeconds=60)
    world.lose_head()
    world.passes()
    assert world.state == "Initializing"
    world.now += 60
    world.make_ready()
    world.one_pass()
    assert world.state == "Retrying"
    world.run_submitter()
    world.passes()
    assert world.clusters == {}


def test_other_objects_of_an_attempt_are_gone_before_the_next_one_begins() -> None:
    world = ran(submissionMode="K8sJobMode", backoffLimit=1)
    world.say("FAILED")
    for _ in range(5):
        world.sync()
        world.poll()
        world.one_pass()
    assert world.state == "Retrying"
    assert world.cluster.deleting
    assert world.submitter is not None
    assert world.submitter.deleting
    world.finish_going()
    world.one_pass()
    assert world.state == "Initializing"


@pytest.mark.parametrize("mode", ["HTTPMode", "K8sJobMode", "InteractiveMode"])
def test_a_job_on_a_selected_cluster_is_tried_once(mode: str) -> None:
    world = waits_for_cluster(
        clusterSelector={"ray.io/cluster": "x"}, submissionMode=mode, activeDeadlineSeconds=9
    )
    world.now += 9
    assert world.passes().state == "Failed"
