"""Simulated jobs that have got to a certain point without trouble."""

from typing import Any

from support.job_trouble import shared_cluster, submit_by_hand
from support.job_world import World, job_spec

SELECTED = {"clusterSelector": {"ray.io/cluster": "shared"}}


def waits_for_cluster(**fields: Any) -> World:
    """A job whose cluster is coming."""
    return World(job_spec(**fields)).passes()


def submitted(**fields: Any) -> World:
    """A job that is about to run, or that waits for whoever submits it."""
    world = waits_for_cluster(**fields)
    world.make_ready()
    return world.passes()


def ran(**fields: Any) -> World:
    """A job that Ray runs."""
    world = submitted(**fields)
    world.run_submitter()
    submit_by_hand(world)
    world.say("RUNNING")
    world.passes()
    assert world.status["jobStatus"] == "RUNNING", world.status
    return world


def on_a_selected_cluster(**fields: Any) -> World:
    """A job on a cluster that was there before and has a head; it has had no pass yet."""
    world = World(job_spec(**SELECTED, **fields))
    world.clusters["shared"] = shared_cluster()
    world.sync()
    return world
