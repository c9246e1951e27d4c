"""What a user reads about a job: the conditions, in plain words, and the events, one for each thing told."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rayfleet.kinds.rayjob.status import is_urgent, unheard
from support.job_scenes import SELECTED, on_a_selected_cluster, ran, submitted, waits_for_cluster
from support.job_trouble import NONSENSE, let_head_leave, see_all, wait
from support.job_world import World, job_spec

CLUSTER = "RayCluster train-66tmd"
JOB = "train-wfsnq"
TTL = {"shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": 60}
BROKEN = "The RayJob spec is invalid: spec.entrypointNumCpus: must be a number, but is 'many'."


def then(world: World, *steps: Callable[[World], object]) -> World:
    for step in steps:
        step(world)
    return world.passes()


def held_group() -> World:
    world = waits_for_cluster()
    world.cluster.groups = ({"groupName": "gpu", "reason": "QuotaExceeded", "message": "exceeded quota"},)
    return world.passes()


def no_route() -> World:
    world = ran()
    world.is_reachable = False
    return world.passes()


def says(status: str, world: World, **fields: Any) -> World:
    world.say(status, **fields)
    return world.passes()


def two_passes_after_suspension() -> World:
    world = ran(**TTL, submissionMode="K8sJobMode")
    world.edit(suspend=True)
    see_all(world)
    see_all(world)
    return world


KEEPS = {"onSuccess": {"policy": "DeleteNone"}, "onFailure": {"policy": "DeleteSelf"}}
NONE_KEPT = {"deletionStrategy": KEEPS}
NO_RULE = "set shutdownAfterJobFinishes or a deletionStrategy"
FAILED_ONLY = {
    "deletionStrategy": {
        "deletionRules": [{"policy": "DeleteCluster", "condition": {"jobStatus": "FAILED"}}],
    }
}
CONDITIONS: Mapping[str, tuple[Callable[[], World], str, tuple[str, str, str]]] = {
    "its cluster is coming": (
        waits_for_cluster,
        "Progressing",
        ("True", "Initializing", f"{CLUSTER} is coming"),
    ),
    "why it does not come": (
        held_group,
        "Progressing",
        ("True", "Initializing", f"{CLUSTER} is coming: group gpu: exceeded quota"),
    ),
    "a selected cluster is not there": (
        lambda: waits_for_cluster(**SELECTED),
        "Progressing",
        ("True", "Initializing", "RayCluster shared does not exist; the job waits for it"),
    ),
    "its user is waited for": (
        lambda: submitted(submissionMode="InteractiveMode"),
        "Progressing",
        ("True", "Waiting", "The cluster is ready; submit the job, and set spec.jobId to its id"),
    ),
    "it is being submitted": (
        lambda: submitted(submissionMode="K8sJobMode"),
        "Progressing",
        ("True", "Running", f"Job {JOB} is being submitted"),
    ),
    "Ray runs it": (ran, "Progressing", ("True", "Running", f"Job {JOB} is RUNNING")),
    "Ray cannot be asked": (
        no_route,
        "Progressing",
        ("True", "Running", "Ray's dashboard cannot be asked: no route"),
    ),
    "it is being suspended": (
        two_passes_after_suspension,
        "Progressing",
        ("True", "Suspending", f"{CLUSTER} and Job train must go first"),
    ),
    "it is suspended": (
        lambda: World(job_spec(**TTL, suspend=True)).passes(),
        "Progressing",
        ("False", "Suspended", "spec.suspend is true"),
    ),
    "it is tried again later, where it was": (
        lambda: says("FAILED", ran(retryPolicy={}, backoffLimit=1)),
        "Progressing",
        ("True", "Retrying", "The next attempt begins at 2027-01-15T08:00:10Z, on the same cluster"),
    ),
    "it is tried again later, elsewhere": (
        lambda: then(ran(retryPolicy={}), let_head_leave),
        "Progressing",
        ("True", "Retrying", "The next attempt begins at 2027-01-15T08:00:10Z"),
    ),
    "it is not valid": (
        lambda: World(job_spec(**NONSENSE)).passes(),
        "Valid",
        ("False", "InvalidSpec", BROKEN),
    ),
    "it is not valid, and has not begun": (
        lambda: World(job_spec(**NONSENSE)).passes(),
        "Progressing",
        ("False", "ValidationFailed", "The job begins once its spec is valid"),
    ),
    "it is not valid any more": (
        lambda: then(ran(), lambda world: world.edit(**NONSENSE)),
        "Valid",
        ("False", "InvalidSpec", f"{BROKEN} Until it is mended, the job goes on by its last valid spec."),
    ),
    "it is not valid any more, and the operator was restarted": (
        lambda: then(ran(), lambda world: world.edit(**NONSENSE), World.restart),
        "Valid",
        (
            "False",
            "InvalidSpec",
            f"{BROKEN} Until it is mended, the job goes on and ends by the rules of its last valid spec.",
        ),
    ),
    "it is not valid any more, and what it was is forgotten": (
        lambda: then(waits_for_cluster(), lambda world: world.edit(**NONSENSE), World.restart),
        "Valid",
        ("False", "InvalidSpec", f"{BROKEN} Until it is mended, the job cannot start."),
    ),
    "it has succeeded": (lambda: says("SUCCEEDED", ran()), "Complete", ("True", "Succeeded", "")),
    "somebody has stopped it": (
        lambda: says("STOPPED", ran(), message="stopped by ann"),
        "Complete",
        ("True", "Stopped", "stopped by ann"),
    ),
    "it has failed": (
        lambda: says("FAILED", ran(), message="exit code 1"),
        "Failed",
        ("True", "DriverExited", "exit code 1"),
    ),
    "it took too long": (
        lambda: then(ran(activeDeadlineSeconds=60), wait(60)),
        "Failed",
        (
            "True",
            "Deadline",
            "The job has run since 2027-01-15T08:00:00Z, longer than activeDeadlineSeconds allows (60)",
        ),
    ),
    "it has not failed": (ran, "Failed", ("False", "NotFailed", "")),
    "it is not complete": (ran, "Complete", ("False", "NotComplete", "")),
    "nothing is held": (
        lambda: says("SUCCEEDED", ran(shutdownAfterJobFinishes=True)),
        "ResourcesHeld",
        ("False", "NothingHeld", ""),
    ),
    "a selected cluster is not held": (
        lambda: says("SUCCEEDED", on_a_selected_cluster().passes()),
        "ResourcesHeld",
        ("False", "NothingHeld", ""),
    ),
    "its cluster is kept for a while": (
        lambda: says("SUCCEEDED", ran(**TTL)),
        "ResourcesHeld",
        ("True", "Kept", f"{CLUSTER} holds 3 GPUs until 2027-01-15T08:01:00Z (shutdownAfterJobFinishes)"),
    ),
    "its cluster is kept, as is said": (
        lambda: says("SUCCEEDED", ran(**NONE_KEPT)),
        "ResourcesHeld",
        ("True", "KeptByRule", f"{CLUSTER} holds 3 GPUs, and stays (onSuccess: DeleteNone)"),
    ),
    "its cluster is kept, as nothing is said": (
        lambda: says("SUCCEEDED", ran()),
        "ResourcesHeld",
        (
            "True",
            "NoRule",
            f"{CLUSTER} holds 3 GPUs, and no rule deletes it: {NO_RULE}, or delete the RayJob",
        ),
    ),
    "its cluster is kept, as nothing is said of this end": (
        lambda: says("SUCCEEDED", ran(**FAILED_ONLY)),
        "ResourcesHeld",
        (
            "True",
            "NoRule",
            f"{CLUSTER} holds 3 GPUs, and no rule deletes it: add a rule for this end, or delete the RayJob",
        ),
    ),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_a_condition_says_what_is_and_why(case: str) -> None:
    world, kind, expected = CONDITIONS[case]
    assert world().condition(kind) == expected


def test_a_condition_about_the_end_comes_with_the_end() -> None:
    assert "ResourcesHeld" not in {condition.type for condition in ran().recorded.conditions}


def test_conditions_of_others_stay() -> None:
    world = ran()
    theirs = {
        "type": "Checked",
        "status": "True",
        "reason": "Fine",
        "lastTransitionTime": "2027-01-15T08:00:00Z",
    }
    world.status["conditions"] = [*world.status["conditions"], theirs]
    world.say("SUCCEEDED")
    world.passes()
    assert theirs in world.status["conditions"]


def test_a_condition_has_the_time_of_its_last_change() -> None:
    world = ran()
    world.now += 60
    world.say("SUCCEEDED")
    world.passes()
    times = {c.type: c.last_transition_time for c in world.recorded.conditions}
    assert times["Valid"] == "2027-01-15T08:00:00Z"
    assert times["Complete"] == times["ResourcesHeld"] == "2027-01-15T08:01:00Z"


def test_a_status_is_about_a_spec() -> None:
    world = ran()
    world.edit(**NONSENSE)
    world.passes()
    assert world.status["observedGeneration"] == 2
    assert {condition.observed_generation for condition in world.recorded.conditions} == {2}


# What is written at once


def test_a_new_state_is_written_at_once_and_a_new_message_may_wait() -> None:
    world = ran()
    before = world.status
    world.say("RUNNING", message="step 7")
    world.passes()
    assert before != world.status
    assert not is_urgent(before, world.status)
    world.say("SUCCEEDED")
    world.passes()
    assert is_urgent(before, world.status)


def test_what_a_head_says_each_second_is_told_apart_from_what_it_ends() -> None:
    """A hostile head must not cause a write each second; but its end is believed at once."""
    world = ran()
    before = world.status
    world.now += 60
    world.say("PENDING", message="again")
    world.passes()
    assert before != world.status
    one, other = unheard(before, world.status)
    assert one == other
    world.say("FAILED")
    world.passes()
    one, other = unheard(before, world.status)
    assert one != other
