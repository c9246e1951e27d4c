"""The events of a job: each change of its state is told once, with the reason."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.job_scenes import SELECTED, on_a_selected_cluster, ran, submitted, waits_for_cluster
from support.job_trouble import MENDED, NONSENSE, let_head_leave
from support.job_world import World, job_spec


def told(world: World) -> list[tuple[str, str]]:
    """Type and reason of each event since the last call."""
    found = [(event.type, event.reason) for event in world.events]
    world.events.clear()
    return found


def note(world: World, reason: str) -> str:
    """The note of the last event of a reason."""
    return next(event.note for event in reversed(world.events) if event.reason == reason)


def test_the_life_of_a_job_is_told_step_by_step() -> None:
    world = waits_for_cluster(submissionMode="K8sJobMode", shutdownAfterJobFinishes=True)
    assert told(world) == [("Normal", "RayJobStarted"), ("Normal", "CreatedRayCluster")]
    world.make_ready()
    world.passes()
    assert told(world) == [("Normal", "CreatedService"), ("Normal", "CreatedRayJobSubmitter")]
    world.run_submitter()
    world.say("RUNNING")
    world.passes()
    assert told(world) == [("Normal", "RayJobRunning")]
    world.say("SUCCEEDED")
    world.end_submitter()
    world.passes()
    assert told(world) == [("Normal", "RayJobSucceeded"), ("Normal", "DeletedRayCluster")]
    for _ in range(3):
        world.now += 3600
        world.passes()
    assert told(world) == []


def head_leaves() -> World:
    world = ran(retryPolicy={})
    let_head_leave(world)
    return world.passes()


def program_fails() -> World:
    world = ran()
    world.say("FAILED", message="exit code 1", driver_exit_code=1)
    return world.passes()


def somebody_stops_it() -> World:
    world = ran()
    world.say("STOPPED", message="stopped by ann")
    return world.passes()


def user_suspends_it() -> World:
    world = ran(shutdownAfterJobFinishes=True)
    world.edit(suspend=True)
    return world.passes()


def head_goes_before_the_job_came() -> World:
    world = submitted(submissionMode="K8sJobMode")
    world.lose_head()
    return world.passes()


def cluster_is_not_there() -> World:
    return waits_for_cluster(**SELECTED)


def spec_is_nonsense() -> World:
    return World(job_spec(**NONSENSE)).passes()


HEAD_LOST = "Ray's head was lost: head train-66tmd-head-0 on node node-1: Deleted (infrastructure, HeadLost)"
NOTES: Mapping[Callable[[], World], tuple[str, str]] = {
    program_fails: (
        "RayJobFailed",
        "AppFailed: exit code 1 (application, DriverExited: the driver's exit code is 1)",
    ),
    somebody_stops_it: ("RayJobStopped", "Ray says STOPPED: stopped by ann"),
    head_leaves: (
        "RayJobRetrying",
        f"Attempt 1 has failed, and another one begins at 2027-01-15T08:00:10Z: {HEAD_LOST}",
    ),
    user_suspends_it: ("RayJobSuspended", "The job is suspended, and holds nothing"),
    head_goes_before_the_job_came: (
        "RayJobWaiting",
        "RayCluster train-66tmd lost its head before Ray had the job, which waits for the next one",
    ),
    cluster_is_not_there: ("RayClusterNotFound", "RayCluster shared does not exist; the job waits for it"),
    spec_is_nonsense: (
        "InvalidRayJobSpec",
        "The RayJob spec is invalid: spec.entrypointNumCpus: must be a number, but is 'many'.",
    ),
}


@pytest.mark.parametrize("happens", NOTES)
def test_what_happens_is_told_once_and_in_plain_words(happens: Callable[[], World]) -> None:
    world = happens()
    reason, words = NOTES[happens]
    assert note(world, reason) == words
    assert [event.reason for event in world.events].count(reason) == 1
    world.restart()
    for _ in range(5):
        world.poll()
        world.one_pass()
    assert [event.reason for event in world.events].count(reason) == 1


def test_a_mended_spec_that_breaks_again_is_told_again() -> None:
    world = ran()
    for fields in (NONSENSE, MENDED, NONSENSE):
        world.edit(**fields)
        world.passes()
    assert [reason for _, reason in told(world)].count("InvalidRayJobSpec") == 2


def test_another_fault_of_the_spec_is_told_too() -> None:
    world = World(job_spec(**NONSENSE)).passes()
    told(world)
    world.edit(**MENDED, backoffLimit=-1)
    world.passes()
    assert told(world) == [("Warning", "InvalidRayJobSpec")]


def test_a_name_that_is_too_long_is_a_fault_of_the_metadata() -> None:
    world = World(job_spec(), name="x" * 48).passes()
    assert told(world) == [("Warning", "InvalidRayJobMetadata")]
    assert world.clusters == {}


def test_a_selected_cluster_that_goes_and_comes_is_told_each_time() -> None:
    world = on_a_selected_cluster()
    there = world.clusters.pop("shared")
    world.passes()
    world.clusters["shared"] = there
    there.ready = False
    world.passes()
    del world.clusters["shared"]
    world.passes()
    assert [reason for _, reason in told(world)].count("RayClusterNotFound") == 2


def test_a_long_message_fits_into_an_event() -> None:
    """It is a tenant's text."""
    message: Any = "é" * 4000
    world = ran()
    world.say("FAILED", message=message)
    world.passes()
    assert len(note(world, "RayJobFailed").encode()) <= 1024
