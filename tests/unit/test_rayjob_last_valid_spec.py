"""A running job whose spec is edited into nonsense goes on by its last valid one, whatever is forgotten."""

from collections.abc import Mapping
from typing import Any

import pytest

from rayfleet.api.rayjob import RayJobSpec, kept_rules, parse_spec, spec_of
from rayfleet.api.rayjob.kept_rules import KeptRules
from support.job_scenes import ran, submitted, waits_for_cluster
from support.job_trouble import MENDED, NONSENSE, settle
from support.job_world import World, job_spec

SHUTDOWN = {"shutdownAfterJobFinishes": True}
RULES: Mapping[str, Any] = {
    "submissionMode": "K8sJobMode",
    "backoffLimit": 2,
    "retryPolicy": {"cluster": "Recreate", "infrastructureLimit": 1},
    "activeDeadlineSeconds": 3600,
    "preRunningDeadlineSeconds": 600,
    "deletionStrategy": {
        "deletionRules": [
            {"policy": "DeleteWorkers", "condition": {"jobStatus": "SUCCEEDED", "ttlSeconds": 30}},
            {"policy": "DeleteSelf", "condition": {"jobDeploymentStatus": "Failed"}},
        ]
    },
}


def broken(world: World, *, restarted: bool = True, **fields: Any) -> World:
    """The job after a bad edit, and after a restart of the operator."""
    world.edit(**NONSENSE, **fields)
    world.passes()
    if restarted:
        world.restart()
    return world.passes()


# While it is remembered


def test_another_attempt_is_made_from_the_last_valid_spec() -> None:
    """Not from what is stored now."""
    world = broken(ran(backoffLimit=1), restarted=False, rayClusterSpec={"headGroupSpec": 3})
    world.say("FAILED")
    world.passes()
    assert (world.state, world.made) == ("Initializing", 2)
    assert world.cluster.spec == job_spec()["rayClusterSpec"]


def test_what_is_submitted_is_what_the_last_valid_spec_says() -> None:
    world = waits_for_cluster(submissionMode="K8sJobMode")
    broken(world, restarted=False, entrypoint=7)
    world.make_ready()
    world.passes()
    assert world.submits == world.status["jobId"]


def test_a_bad_edit_neither_suspends_nor_ends_a_job() -> None:
    world = broken(ran(**SHUTDOWN), restarted=False, suspend=True, activeDeadlineSeconds=1)
    world.now += 3600
    assert world.passes().state == "Running"


# After a restart


@pytest.mark.parametrize("status", ["SUCCEEDED", "STOPPED", "FAILED"])
def test_a_job_that_runs_ends_and_is_cleaned_up_as_its_user_had_said(status: str) -> None:
    world = broken(ran(**SHUTDOWN), shutdownAfterJobFinishes=False)
    assert world.status["jobStatus"] == "RUNNING"
    world.say(status)
    world.passes()
    assert world.state == ("Failed" if status == "FAILED" else "Complete")
    assert world.clusters == {}


def test_its_deadline_still_counts() -> None:
    world = broken(ran(activeDeadlineSeconds=60))
    world.now += 60
    world.passes()
    assert (world.state, world.status["reason"], world.stops) == ("Failed", "DeadlineExceeded", 1)


def test_a_job_that_has_ended_is_cleaned_up_later() -> None:
    world = ran(**SHUTDOWN, ttlSecondsAfterFinished=60)
    world.say("SUCCEEDED")
    world.passes()
    broken(world)
    assert len(world.clusters) == 1
    world.now += 60
    assert world.passes().clusters == {}


def test_another_attempt_waits_for_a_valid_spec_without_a_cluster() -> None:
    """How often it is tried is still known, what is tried is not."""
    world = broken(ran(backoffLimit=1))
    world.say("FAILED")
    world.passes()
    assert (world.state, world.clusters, world.status["failed"]) == ("ValidationFailed", {}, 1)
    world.edit(**MENDED)
    world.passes()
    assert (world.state, world.recorded.attempt) == ("Initializing", 2)
    assert settle(world).status["succeeded"] == 1


def test_even_a_healthy_cluster_is_given_back_if_nobody_knows_what_to_run_there() -> None:
    world = broken(ran(retryPolicy={}, backoffLimit=1))
    world.say("FAILED")
    world.passes()
    assert world.clusters == {}


def test_a_job_that_cannot_start_gives_its_cluster_back_after_some_minutes() -> None:
    world = broken(waits_for_cluster())
    world.make_ready()
    world.now += 299
    assert world.passes().state == "Initializing"
    world.now += 1
    world.passes()
    assert (world.state, world.clusters, world.status["failed"]) == ("ValidationFailed", {}, 0)
    world.edit(**MENDED)
    assert settle(world).state == "Complete"


def test_a_job_that_is_mended_in_time_starts_where_it_was() -> None:
    world = broken(waits_for_cluster())
    world.make_ready()
    world.now += 299
    world.passes()
    world.edit(**MENDED)
    world.passes()
    assert (world.made, world.recorded.attempt) == (1, 1)
    assert settle(world).state == "Complete"


@pytest.mark.parametrize("mode", ["K8sJobMode", "SidecarMode"])
def test_a_job_that_others_submit_needs_no_more_from_its_spec(mode: str) -> None:
    world = broken(submitted(submissionMode=mode))
    world.now += 3600
    world.passes()
    world.run_submitter()
    world.say("SUCCEEDED")
    assert world.passes().state == "Complete"


def test_a_suspended_job_stays_suspended() -> None:
    world = broken(World(job_spec(**SHUTDOWN, suspend=True)).passes(), suspend=False)
    assert (world.state, world.clusters) == ("Suspended", {})


def test_a_new_job_does_not_begin_by_a_spec_that_nobody_can_run() -> None:
    world = broken(World(job_spec()))
    assert (world.state, world.clusters) == ("ValidationFailed", {})


def test_a_job_of_which_nothing_was_kept_still_ends() -> None:
    """Another operator began it, and kept nothing."""
    world = ran(**SHUTDOWN)
    world.edit(**NONSENSE)
    world.restart()
    world.status.pop("keptRules")
    world.passes()
    world.say("SUCCEEDED")
    world.passes()
    assert (world.state, world.condition("ResourcesHeld")[1]) == ("Complete", "NoRule")


# What is kept


def parsed(**fields: Any) -> RayJobSpec:
    spec = parse_spec(job_spec(**fields))
    assert isinstance(spec, RayJobSpec), spec
    return spec


def test_the_rules_are_kept_and_nothing_else() -> None:
    """Neither what is run, which may hold secrets, nor where."""
    secret = {"runtimeEnvYAML": "env_vars: {TOKEN: s3cret}", "metadata": {"key": "s3cret"}}
    world = waits_for_cluster(**RULES, **secret, entrypoint="login s3cret")
    kept = world.status["keptRules"]
    assert kept == {name: value for name, value in RULES.items() if value != "K8sJobMode"}
    assert "s3cret" not in str(world.status)


def test_the_rules_lead_back_to_themselves() -> None:
    kept = kept_rules(parsed(**RULES))
    spec = spec_of(kept)
    assert kept_rules(spec).wire == kept.wire
    assert (spec.entrypoint, spec.ray_cluster_spec) == ("", None)
    assert kept_rules(parsed()).wire == {"submissionMode": "HTTPMode"}
    assert kept_rules(spec_of(kept_rules(parsed(retryPolicy={})))).wire["retryPolicy"] == {}


@pytest.mark.parametrize(
    "junk",
    [
        {"backoffLimit": "many"},
        {"deletionStrategy": {"deletionRules": [{"policy": "DeleteNamespace", "condition": {}}]}},
        {"deletionStrategy": {"deletionRules": [{"policy": "DeleteSelf", "condition": {}}] * 99}},
        {"retryPolicy": []},
    ],
)
def test_rules_that_make_no_sense_are_no_rules(junk: dict[str, Any]) -> None:
    """Whoever may write a status may write anything into it."""
    assert spec_of(KeptRules.recorded(junk)) == RayJobSpec()


def test_a_forged_status_gives_a_job_no_cluster_of_somebody_elses_making() -> None:
    forged = KeptRules.recorded({"rayClusterSpec": job_spec()["rayClusterSpec"], "entrypoint": "x"})
    assert spec_of(forged) == RayJobSpec()


def test_a_valid_edit_is_kept_in_place_of_the_last_one() -> None:
    world = ran()
    world.edit(**SHUTDOWN)
    world.passes()
    broken(world, shutdownAfterJobFinishes=False)
    world.say("SUCCEEDED")
    assert world.passes().clusters == {}
