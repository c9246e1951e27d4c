"""What ends an attempt, from what is seen of the cluster, the submitter and Ray, to the recorded verdict."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.job_scenes import ran, submitted, waits_for_cluster
from support.job_trouble import delete_cluster, let_head_leave
from support.job_world import World

INFRASTRUCTURE, APPLICATION, CONFIGURATION = "infrastructure", "application", "configuration"


def deadline_of(world: World) -> World:
    world.now += 600
    return world.passes()


def image_cannot_be_pulled() -> World:
    world = waits_for_cluster(preRunningDeadlineSeconds=600)
    world.cluster.conditions = (
        {
            "type": "HeadPodReady",
            "status": "False",
            "reason": "ErrImagePull",
            "message": "pod train-head: ...",
        },
    )
    return deadline_of(world)


def quota_is_used_up() -> World:
    world = waits_for_cluster(preRunningDeadlineSeconds=600)
    world.cluster.groups = (
        {"groupName": "gpu", "reason": "QuotaExceeded", "message": "exceeded quota: gpus"},
    )
    return deadline_of(world)


def nodes_do_not_come() -> World:
    world = waits_for_cluster(activeDeadlineSeconds=600)
    world.cluster.conditions = (
        {"type": "HeadPodReady", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"},
    )
    return deadline_of(world)


def cluster_does_not_come() -> World:
    world = waits_for_cluster(clusterSelector={"ray.io/cluster": "x"}, preRunningDeadlineSeconds=600)
    return deadline_of(world)


def cluster_is_refused() -> World:
    world = waits_for_cluster()
    world.cluster.refusal = "spec.workerGroupSpecs[0].template: containers is required."
    return world.passes()


def program_takes_too_long() -> World:
    return deadline_of(ran(activeDeadlineSeconds=600))


def nobody_answers() -> World:
    world = ran()
    world.is_reachable = False
    world.passes()
    world.now += 300
    return world.passes()


def cluster_is_deleted() -> World:
    world = ran()
    delete_cluster(world)
    return world.passes()


def head_is_deleted() -> World:
    world = ran()
    let_head_leave(world)
    return world.passes()


def ray_is_restarted() -> World:
    world = ran()
    world.now += 60
    world.forget()
    return world.passes()


def ray_refuses() -> World:
    world = waits_for_cluster()
    world.refusal = "bad runtime_env"
    world.make_ready()
    return world.passes()


def submitter_fails() -> World:
    world = submitted(submissionMode="K8sJobMode")
    world.end_submitter(failed=True, reason="BackoffLimitExceeded")
    world.passes()
    world.now += 10
    return world.passes()


ENDS: Mapping[Callable[[], World], tuple[str, str, str]] = {
    image_cannot_be_pulled: (CONFIGURATION, "NotStartedInTime", "ErrImagePull"),
    quota_is_used_up: (CONFIGURATION, "NotStartedInTime", "exceeded quota: gpus"),
    nodes_do_not_come: (INFRASTRUCTURE, "NotStartedInTime", "0/3 nodes"),
    cluster_does_not_come: (INFRASTRUCTURE, "NotStartedInTime", "the cluster does not exist"),
    cluster_is_refused: (CONFIGURATION, "SpecRefused", "containers is required"),
    program_takes_too_long: (APPLICATION, "Deadline", "activeDeadlineSeconds"),
    nobody_answers: (INFRASTRUCTURE, "DashboardUnreachable", "no route"),
    cluster_is_deleted: (INFRASTRUCTURE, "HeadLost", "the cluster is gone"),
    head_is_deleted: (INFRASTRUCTURE, "HeadLost", "head-0 on node node-1: Deleted"),
    ray_is_restarted: (INFRASTRUCTURE, "JobForgotten", "no longer knows the job"),
    ray_refuses: (CONFIGURATION, "SubmissionRefused", "bad runtime_env"),
    submitter_fails: (CONFIGURATION, "SubmitterFailed", "BackoffLimitExceeded"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_verdict_is_recorded_with_its_evidence_attempt_and_time(end: Callable[[], World]) -> None:
    world = end()
    verdict = world.recorded.verdict
    category, cause, evidence = ENDS[end]
    assert (verdict.category, verdict.cause) == (category, cause)
    assert evidence in " ".join(verdict.evidence)
    assert verdict.attempt == 1
    assert verdict.time == world.status["endTime"]


def test_a_success_has_no_verdict() -> None:
    world = ran(backoffLimit=1)
    world.say("FAILED")
    world.passes()
    assert world.recorded.verdict.cause == "DriverExited"
    world.make_ready()
    world.passes()
    world.say("SUCCEEDED")
    world.passes()
    assert (world.state, world.status.get("verdict")) == ("Complete", None)


@pytest.mark.parametrize(("length", "kept"), [(1024, 1024), (1025, 1024), (4096, 1024)])
def test_a_long_message_keeps_its_start_and_its_end(length: int, kept: int) -> None:
    """Ray says there which code the driver had, and shows the last lines of its log."""
    message: Any = "exit code 1" + "." * (length - 22) + "ValueError!"
    world = ran()
    world.say("FAILED", message=message)
    shown = world.passes().status["message"]
    assert (len(shown), shown[:11], shown[-11:]) == (kept, "exit code 1", "ValueError!")
