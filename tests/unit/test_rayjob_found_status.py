"""Statuses that this version did not write: broken ones, later ones, and those of another operator."""

from typing import Any

import pytest

from support.job_scenes import ran
from support.job_trouble import settle
from support.job_world import World, job_spec


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"jobDeploymentStatus": "Paused"}, "Initializing"),
        ({"jobDeploymentStatus": "Running"}, "Initializing"),
        ({"jobDeploymentStatus": 7, "attempt": "many", "startTime": []}, "Initializing"),
        ({}, "Initializing"),
    ],
)
def test_a_status_that_makes_no_sense_does_not_hang_the_job(status: dict[str, Any], state: str) -> None:
    world = World(job_spec(), status=status).passes()
    assert world.state == state
    assert len(world.clusters) == 1
    assert settle(world).state == "Complete"


def test_a_state_of_a_later_version_keeps_the_cluster() -> None:
    world = ran()
    world.status["jobDeploymentStatus"] = "Paused"
    name = world.cluster.name
    assert settle(world).state == "Complete"
    assert world.cluster.name == name


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"jobStatus": "SUCCEEDED", "endTime": "2027-01-15T08:00:00Z"}, "Complete"),
        ({"jobStatus": "FAILED", "endTime": "2027-01-15T08:00:00Z"}, "Failed"),
        ({}, "Running"),
    ],
)
def test_a_job_that_another_operator_called_invalid_goes_on_where_it_was(
    fields: dict[str, Any], state: str
) -> None:
    """That operator checks jobs that run, and even those that have ended, and leaves their clusters alone."""
    world = ran()
    world.say(fields.get("jobStatus", "RUNNING"))
    world.status |= {"jobDeploymentStatus": "ValidationFailed", "reason": "ValidationFailed", **fields}
    world.status.pop("attempt")
    assert world.passes().state == state
    assert world.made == 1
