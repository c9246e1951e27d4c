"""What of an ended job goes, and when; and that Ray does not run it any longer."""

from collections.abc import Mapping
from typing import Any

import pytest

from rayfleet.kinds.rayjob.actions import DeleteCluster, DeleteSelf, SuspendGroups
from support.job_scenes import on_a_selected_cluster, ran, submitted
from support.job_trouble import see_all, settle
from support.job_world import World

RELEASES = DeleteCluster | DeleteSelf | SuspendGroups
TTL = 60
SHUTDOWN = {"shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": TTL}
ENDS = ("SUCCEEDED", "STOPPED", "FAILED", "deadline")
DEADLINE = 600


def legacy(success: str, failure: str) -> dict[str, Any]:
    policies = {"onSuccess": {"policy": success}, "onFailure": {"policy": failure}}
    return {"deletionStrategy": policies}


def rules(*given: tuple[str, str, int]) -> dict[str, Any]:
    """Deletion rules: a policy, the status after which it applies, and how much later."""
    names = {"Failed": "jobDeploymentStatus"}
    conditions = [
        {"policy": policy, "condition": {names.get(status, "jobStatus"): status, "ttlSeconds": ttl}}
        for policy, status, ttl in given
    ]
    return {"deletionStrategy": {"deletionRules": conditions}}


def ended(how: str, **fields: Any) -> World:
    """A job that has just ended, one way or another; Ray has stopped it if it still ran."""
    world = ran(activeDeadlineSeconds=DEADLINE, **fields)
    if how == "deadline":
        world.now += DEADLINE
    else:
        world.say(how)
    return world.passes()


def seconds_until_something_goes(world: World) -> int | None:
    """Seconds after the end until the operator deletes something; None if it never does."""
    start = world.now
    for _ in range(200):
        world.poll()
        decided = world.one_pass()
        if any(isinstance(action, RELEASES) for action in decided.actions):
            return int(world.now - start)
        if decided.requeue_after is None:
            return None
        world.now += decided.requeue_after
    raise AssertionError("it always waits for something")


@pytest.mark.parametrize("how", ENDS)
def test_a_job_that_is_to_be_shut_down_gives_its_cluster_back_however_it_ended(how: str) -> None:
    world = ended(how, **SHUTDOWN)
    assert seconds_until_something_goes(world) == TTL
    assert world.passes().clusters == {}


@pytest.mark.parametrize("how", ENDS)
def test_without_a_rule_the_cluster_stays(how: str) -> None:
    world = ended(how)
    assert seconds_until_something_goes(world) is None
    assert len(world.clusters) == 1


LEGACY: Mapping[str, str] = {
    "DeleteCluster": "no cluster",
    "DeleteWorkers": "no workers",
    "DeleteSelf": "no job",
    "DeleteNone": "all",
}


def what_is_left(world: World) -> str:
    if world.gone:
        return "no job"
    if not world.clusters:
        return "no cluster"
    return "all" if world.gpus else "no workers"


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("policy", LEGACY)
def test_of_the_two_policies_of_older_versions_one_fits_every_end(how: str, policy: str) -> None:
    """A stopped job counts as a success, and a deadline as a failure; the head outlives its workers."""
    other = "DeleteNone" if policy != "DeleteNone" else "DeleteCluster"
    succeeded = how in {"SUCCEEDED", "STOPPED"}
    world = ended(how, **legacy(*((policy, other) if succeeded else (other, policy))))
    assert what_is_left(world) == LEGACY[policy]
    if world.clusters:
        assert world.cluster.head


def test_such_a_policy_waits_as_long_as_a_shutdown() -> None:
    world = ended("SUCCEEDED", **SHUTDOWN, **legacy("DeleteWorkers", "DeleteCluster"))
    assert seconds_until_something_goes(world) == TTL
    assert what_is_left(world) == "no workers"


RULES: Mapping[str, tuple[str, dict[str, Any], list[tuple[int, str]]]] = {
    "one after the other": (
        "SUCCEEDED",
        rules(
            ("DeleteWorkers", "SUCCEEDED", 30),
            ("DeleteCluster", "SUCCEEDED", 60),
            ("DeleteSelf", "SUCCEEDED", 90),
        ),
        [(30, "no workers"), (60, "no cluster"), (90, "no job")],
    ),
    "of two that are due, the strongest": (
        "SUCCEEDED",
        rules(("DeleteWorkers", "SUCCEEDED", 30), ("DeleteCluster", "SUCCEEDED", 30)),
        [(30, "no cluster")],
    ),
    "only the job itself, with all that it has": (
        "FAILED",
        rules(("DeleteSelf", "FAILED", 30)),
        [(30, "no job")],
    ),
    "Ray's word and the job's own end": (
        "FAILED",
        rules(("DeleteWorkers", "FAILED", 30), ("DeleteCluster", "Failed", 60)),
        [(30, "no workers"), (60, "no cluster")],
    ),
    "a deadline, which leaves Ray's word as it was": (
        "deadline",
        rules(("DeleteSelf", "FAILED", 30), ("DeleteCluster", "Failed", 60)),
        [(60, "no cluster")],
    ),
    "a deadline, of which no rule speaks": (
        "deadline",
        rules(("DeleteCluster", "FAILED", 30), ("DeleteSelf", "SUCCEEDED", 10)),
        [(30, "no cluster")],
    ),
    "stopped, of which no rule can speak": (
        "STOPPED",
        rules(("DeleteCluster", "SUCCEEDED", 30), ("DeleteSelf", "FAILED", 10)),
        [(30, "no cluster")],
    ),
    "not this end": ("SUCCEEDED", rules(("DeleteCluster", "FAILED", 30)), []),
    "nothing at all": ("SUCCEEDED", rules(("DeleteNone", "SUCCEEDED", 30)), []),
}


@pytest.mark.parametrize("case", RULES)
def test_rules_are_followed_when_they_are_due(case: str) -> None:
    how, fields, expected = RULES[case]
    world = ended(how, **fields)
    end, found = world.now, []
    for _ in range(len(expected)):
        assert seconds_until_something_goes(world) is not None
        world.finish_going()
        found.append((int(world.now - end), what_is_left(world)))
    assert found == expected
    if not world.gone:
        assert seconds_until_something_goes(world) is None


def test_a_selected_cluster_is_left_alone_although_the_job_goes() -> None:
    world = on_a_selected_cluster(**rules(("DeleteSelf", "SUCCEEDED", 30))).passes()
    world.say("SUCCEEDED")
    world.passes()
    world.now += 30
    world.passes()
    assert world.gone
    assert list(world.clusters) == ["shared"]


def test_a_selected_cluster_survives_a_job_that_is_to_be_shut_down() -> None:
    world = on_a_selected_cluster(**SHUTDOWN).passes()
    world.say("SUCCEEDED")
    assert settle(world).clusters["shared"].deleting is False


def test_the_submitter_stays_for_its_log() -> None:
    world = ran(submissionMode="K8sJobMode", shutdownAfterJobFinishes=True)
    world.say("SUCCEEDED")
    world.end_submitter()
    world.passes()
    assert world.clusters == {}
    assert world.submitter is not None


def test_the_last_lines_of_a_log_are_waited_for_and_no_longer() -> None:
    """The submitter still reads it from the head."""
    world = ran(submissionMode="K8sJobMode", shutdownAfterJobFinishes=True)
    world.say("SUCCEEDED")
    world.passes()
    assert len(world.clusters) == 1
    assert seconds_until_something_goes(world) == 10


def test_a_rule_that_comes_after_the_end_counts() -> None:
    world = ended("SUCCEEDED")
    world.now += 3600
    world.edit(shutdownAfterJobFinishes=True)
    assert world.passes().clusters == {}


def test_a_cluster_of_the_same_name_that_somebody_else_made_stays() -> None:
    world = ended("SUCCEEDED", **SHUTDOWN)
    world.cluster.owned, world.cluster.uid = False, "theirs"
    world.now += 3600
    assert len(world.passes().clusters) == 1


# What Ray still runs


def test_a_job_past_its_deadline_is_stopped_in_ray_before_its_cluster_goes() -> None:
    world = ran(activeDeadlineSeconds=60, shutdownAfterJobFinishes=True)
    world.now += 60
    see_all(world)
    assert (world.state, world.stops) == ("Failed", 0)
    see_all(world)
    assert (world.stops, world.cluster.deleting) == (1, False)
    assert world.passes().clusters == {}
    assert world.status["jobStatus"] == "RUNNING"


def test_a_job_that_does_not_stop_keeps_its_cluster_for_half_a_minute() -> None:
    world = ran(activeDeadlineSeconds=60, shutdownAfterJobFinishes=True)
    world.now += 60
    world.poll()
    world.one_pass()
    world.loses_stops = True
    assert seconds_until_something_goes(world) == 30


def test_a_dashboard_that_cannot_be_asked_holds_up_nothing() -> None:
    world = ran(shutdownAfterJobFinishes=True)
    world.is_reachable = False
    world.passes()
    world.now += 300
    assert world.passes().clusters == {}


def test_a_restarted_operator_stops_what_the_last_one_did_not() -> None:
    world = on_a_selected_cluster(activeDeadlineSeconds=60).passes()
    world.now += 60
    see_all(world)
    assert world.state == "Failed"
    world.restart()
    world.passes()
    assert world.stops == 1
    assert settle(world).running_in(world.clusters["shared"]) == []


def test_a_submitter_does_not_submit_a_job_that_is_over() -> None:
    """The cluster stays, so the job would run there for nobody."""
    world = submitted(submissionMode="K8sJobMode", activeDeadlineSeconds=60)
    world.now += 60
    world.passes()
    assert (world.state, world.submitter) == ("Failed", None)
    assert len(world.clusters) == 1


@pytest.mark.parametrize("mode", ["K8sJobMode", "SidecarMode"])
def test_a_job_that_is_submitted_after_its_end_is_stopped(mode: str) -> None:
    world = submitted(submissionMode=mode, activeDeadlineSeconds=60)
    world.now += 60
    see_all(world)
    world.run_submitter()
    world.passes()
    assert world.stops == 1
    assert world.running_in(world.cluster) == []


# A job that is deleted


def test_a_deleted_job_on_a_selected_cluster_is_stopped_before_it_goes() -> None:
    world = on_a_selected_cluster().passes()
    world.restart()
    world.delete()
    world.passes()
    assert (world.gone, world.stops) == (True, 1)


@pytest.mark.parametrize("mode", ["K8sJobMode", "HTTPMode"])
def test_a_deleted_job_goes_after_half_a_minute_even_if_ray_cannot_be_asked(mode: str) -> None:
    world = on_a_selected_cluster(submissionMode=mode).passes()
    world.run_submitter()
    world.passes()
    world.is_reachable = False
    world.delete()
    world.passes()
    assert not world.gone
    world.now += 29
    assert not world.passes().gone
    world.now += 1
    assert world.passes().gone


def test_a_deleted_job_that_is_over_goes_at_once() -> None:
    world = on_a_selected_cluster().passes()
    world.say("SUCCEEDED")
    world.passes()
    world.delete()
    see_all(world)
    assert (world.gone, world.stops) == (True, 0)


def test_a_finalizer_of_another_operator_is_taken_off_at_once_where_the_cluster_goes_with_the_job() -> None:
    world = ran()
    world.finalizers = frozenset({"ray.io/rayjob-finalizer"})
    world.delete()
    see_all(world)
    assert (world.gone, world.clusters) == (True, {})


def test_a_job_whose_children_are_to_stay_is_not_stopped() -> None:
    """It was deleted with `--cascade=orphan`."""
    world = on_a_selected_cluster().passes()
    world.finalizers |= {"orphan"}
    world.delete()
    world.passes()
    assert world.stops == 0
    assert world.finalizers == {"orphan"}
