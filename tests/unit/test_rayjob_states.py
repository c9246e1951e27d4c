"""The state machine of a job, cell by cell: where it stands, what happens, where it stands then."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.job_scenes import on_a_selected_cluster, ran, submitted, waits_for_cluster
from support.job_trouble import (
    MENDED,
    NONSENSE,
    Step,
    delete_cluster,
    edit,
    let_head_leave,
    say,
    see_all,
    settle,
    wait,
)
from support.job_world import World, job_spec

INTERACTIVE = {"submissionMode": "InteractiveMode"}
K8S = {"submissionMode": "K8sJobMode"}
SIDECAR = {"submissionMode": "SidecarMode"}
SHUTDOWN = {"shutdownAfterJobFinishes": True}


def new(**fields: Any) -> Callable[[], World]:
    return lambda: World(job_spec(**fields))


def coming(**fields: Any) -> Callable[[], World]:
    return lambda: waits_for_cluster(**fields)


def about_to_run(**fields: Any) -> Callable[[], World]:
    return lambda: submitted(**fields)


def running(**fields: Any) -> Callable[[], World]:
    return lambda: ran(**fields)


def in_turn(*steps: Step) -> Step:
    def steps_in_turn(world: World) -> None:
        for step in steps:
            step(world)

    return steps_in_turn


def nothing(_: World) -> None:
    """Nothing happens."""


def suspending(**fields: Any) -> Callable[[], World]:
    """A job that was running and has just been suspended: nothing is deleted yet."""

    def begins() -> World:
        world = ran(**SHUTDOWN, **fields)
        world.edit(suspend=True)
        see_all(world)
        return world

    return begins


def suspended() -> World:
    return World(job_spec(**SHUTDOWN, suspend=True)).passes()


def retrying(**fields: Any) -> Callable[[], World]:
    """A job whose first attempt has just failed: nothing is deleted yet."""

    def begins() -> World:
        world = ran(backoffLimit=1, **fields)
        world.say("FAILED")
        see_all(world)
        return world

    return begins


def ended(status: str) -> Callable[[], World]:
    def ends() -> World:
        world = ran()
        world.say(status)
        return world.passes()

    return ends


def invalid() -> World:
    return World(job_spec(**NONSENSE)).passes()


READY = World.make_ready
LOSE_HEAD = in_turn(World.lose_head, World.finish_going)
ALL_GONE = in_turn(see_all, World.finish_going)
CELLS: Mapping[str, tuple[Callable[[], World], Step, str, Mapping[str, Any]]] = {
    "new: it begins": (new(), nothing, "Initializing", {"startTime": "2027-01-15T08:00:00Z", "attempt": 1}),
    "new: with the id that it demands": (new(jobId="mine"), nothing, "Initializing", {"jobId": "mine"}),
    "new: without an id that its user will say": (
        new(**INTERACTIVE),
        nothing,
        "Initializing",
        {"jobId": None},
    ),
    "new, suspended: it makes nothing": (
        new(**SHUTDOWN, suspend=True),
        nothing,
        "Suspended",
        {"jobId": None, "rayClusterName": None, "startTime": None},
    ),
    "new, not valid": (new(**NONSENSE), nothing, "ValidationFailed", {"reason": "ValidationFailed"}),
    "coming: its cluster is not ready": (coming(), nothing, "Initializing", {"dashboardURL": None}),
    "coming: its cluster is ready": (coming(), READY, "Running", {}),
    "coming: its cluster is ready, and its user submits": (coming(**INTERACTIVE), READY, "Waiting", {}),
    "coming: the job of its user is known": (
        coming(**INTERACTIVE, jobId="users"),
        READY,
        "Running",
        {"jobId": "users"},
    ),
    "coming: suspended": (coming(**SHUTDOWN), edit(suspend=True), "Suspending", {}),
    "coming: too long in all": (
        coming(activeDeadlineSeconds=60),
        wait(60),
        "Failed",
        {"reason": "DeadlineExceeded", "jobStatus": None, "failed": 1},
    ),
    "coming: too long before it runs": (
        coming(preRunningDeadlineSeconds=60),
        wait(60),
        "Failed",
        {"reason": "PreRunningDeadlineExceeded", "failed": 1},
    ),
    "coming: almost too long": (coming(preRunningDeadlineSeconds=60), wait(59), "Initializing", {}),
    "coming: its cluster is deleted": (coming(), delete_cluster, "Initializing", {}),
    "coming: not valid any more": (coming(), edit(**NONSENSE), "Initializing", {}),
    "waiting: its user has not submitted": (about_to_run(**INTERACTIVE), nothing, "Waiting", {}),
    "waiting: its user has": (about_to_run(**INTERACTIVE), edit(jobId="u"), "Running", {"jobId": "u"}),
    "waiting: suspended": (about_to_run(**INTERACTIVE, **SHUTDOWN), edit(suspend=True), "Suspending", {}),
    "waiting: too long in all": (
        about_to_run(**INTERACTIVE, activeDeadlineSeconds=60),
        wait(60),
        "Failed",
        {"reason": "DeadlineExceeded"},
    ),
    "waiting: too long before it runs": (
        about_to_run(**INTERACTIVE, preRunningDeadlineSeconds=60),
        wait(60),
        "Failed",
        {"reason": "PreRunningDeadlineExceeded"},
    ),
    "running: Ray has it": (running(), nothing, "Running", {"jobStatus": "RUNNING"}),
    "running: suspended": (running(**SHUTDOWN), edit(suspend=True), "Suspending", {}),
    "running: too long in all": (
        running(activeDeadlineSeconds=60),
        wait(60),
        "Failed",
        {"reason": "DeadlineExceeded", "jobStatus": "RUNNING", "failed": 1},
    ),
    "running: no longer too late to begin": (running(preRunningDeadlineSeconds=60), wait(600), "Running", {}),
    "running: succeeded": (
        running(),
        say("SUCCEEDED"),
        "Complete",
        {"jobStatus": "SUCCEEDED", "succeeded": 1, "failed": 0, "reason": None},
    ),
    "running: succeeded, and too long in all": (
        running(activeDeadlineSeconds=60),
        in_turn(say("SUCCEEDED"), wait(60)),
        "Complete",
        {"succeeded": 1},
    ),
    "running: stopped by somebody": (
        running(),
        say("STOPPED"),
        "Complete",
        {"jobStatus": "STOPPED", "succeeded": 0, "failed": 0},
    ),
    "running: failed": (
        running(),
        say("FAILED", message="exit 1"),
        "Failed",
        {"jobStatus": "FAILED", "reason": "AppFailed", "message": "exit 1", "failed": 1},
    ),
    "running: failed, to be tried again": (
        running(backoffLimit=1),
        say("FAILED"),
        "Retrying",
        {"failed": 1, "endTime": None},
    ),
    "running: its cluster is deleted": (running(), delete_cluster, "Failed", {"reason": "AppFailed"}),
    "running: its head is lost": (running(), LOSE_HEAD, "Failed", {"reason": "AppFailed"}),
    "running: its head is being deleted": (running(), let_head_leave, "Failed", {"reason": "AppFailed"}),
    "running, not in Ray: its head is lost": (
        about_to_run(**INTERACTIVE, jobId="u"),
        LOSE_HEAD,
        "Initializing",
        {},
    ),
    "running, not in Ray: its cluster is deleted": (about_to_run(**K8S), delete_cluster, "Initializing", {}),
    "running, not in Ray: no other head comes": (
        about_to_run(**SIDECAR),
        LOSE_HEAD,
        "Failed",
        {"reason": "AppFailed", "jobStatus": None},
    ),
    "running: not valid any more": (running(), edit(**NONSENSE), "Running", {}),
    "suspending: its cluster is going": (suspending(), see_all, "Suspending", {}),
    "suspending: all is gone": (
        suspending(**K8S),
        ALL_GONE,
        "Suspended",
        {
            **dict.fromkeys(("jobId", "rayClusterName", "dashboardURL", "rayClusterStatus", "rayJobInfo")),
            **dict.fromkeys(("jobStatus", "message", "reason", "submission", "keptRules")),
            "failed": 0,
            "succeeded": 0,
        },
    ),
    "suspending: resumed before all is gone": (suspending(), edit(suspend=False), "Suspending", {}),
    "suspended: still": (suspended, wait(9999), "Suspended", {}),
    "suspended: resumed": (suspended, edit(suspend=False), "Initializing", {"attempt": 1}),
    "suspended: not valid any more": (suspended, edit(**NONSENSE), "Suspended", {}),
    "retrying: its cluster is going": (retrying(), see_all, "Retrying", {}),
    "retrying: all is gone": (
        retrying(**K8S),
        ALL_GONE,
        "Initializing",
        {"attempt": 2, "failed": 1, "jobStatus": None, "reason": None, "message": None},
    ),
    "retrying: suspended": (retrying(**SHUTDOWN), edit(suspend=True), "Suspending", {}),
    "complete: suspended": (ended("SUCCEEDED"), edit(suspend=True), "Complete", {"succeeded": 1}),
    "complete: not valid any more": (ended("SUCCEEDED"), edit(**NONSENSE), "Complete", {}),
    "failed: tried again too late": (ended("FAILED"), edit(backoffLimit=3), "Failed", {"failed": 1}),
    "failed: long ago": (ended("FAILED"), wait(10**6), "Failed", {}),
    "not valid: still": (invalid, wait(9999), "ValidationFailed", {}),
    "not valid: mended": (invalid, edit(**MENDED), "", {"reason": None, "message": None}),
}


@pytest.mark.parametrize("cell", CELLS)
def test_what_happens_in_a_state_leads_to_the_next(cell: str) -> None:
    """A pass that changes the state does nothing else: an end is recorded before its traces go."""
    before, happens, state, fields = CELLS[cell]
    world = before()
    was = world.state
    happens(world)
    world.sync()
    world.poll()
    decided = world.one_pass()
    assert world.state == state
    assert {name: world.status.get(name) for name in fields} == fields
    if state != was:
        assert decided.actions == ()
        assert decided.requeue_after == 0.0


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_facts_lead_to_no_second_write(cell: str) -> None:
    """Nobody is told twice, and no status is written, while nothing happens."""
    before, happens, _, _ = CELLS[cell]
    world = before()
    happens(world)
    world.passes()
    status, told = dict(world.status), len(world.events)
    for _ in range(3):
        world.poll()
        assert world.one_pass().actions == ()
    assert world.status == status
    assert len(world.events) == told


def test_a_resumed_job_begins_anew_under_other_names() -> None:
    world = ran(**SHUTDOWN)
    first = world.status
    world.edit(suspend=True)
    world.passes()
    assert (world.state, world.clusters) == ("Suspended", {})
    world.now += 60
    world.edit(suspend=False)
    world.passes()
    assert world.state == "Initializing"
    names = ("rayClusterName", "jobId", "startTime")
    assert all(first[name] != world.status[name] for name in names)


def test_a_demanded_id_is_used_again_on_a_fresh_cluster() -> None:
    world = ran(**SHUTDOWN, jobId="mine")
    world.edit(suspend=True)
    world.passes()
    world.edit(suspend=False)
    assert world.passes().status["jobId"] == "mine"


def test_a_job_that_is_suspended_and_resumed_at_once_still_begins_anew() -> None:
    """Its cluster may be half gone already."""
    world = suspending()()
    world.edit(suspend=False)
    world.passes()
    assert world.history[2:] == ["Suspending", "Suspended", "Initializing"]
    assert settle(world).state == "Complete"


@pytest.mark.parametrize("kind", ["cluster", "submitter"])
def test_nothing_new_is_made_while_something_old_is_there(kind: str) -> None:
    """By the word of the API server: a cache that no longer shows the cluster may be ahead of it."""
    world = retrying(**K8S)()
    see_all(world)
    if kind == "cluster":
        world.submitter = None
        world.sync()
        del world.view[world.recorded.ray_cluster_name]
    else:
        world.clusters.clear()
        world.sync()
    for _ in range(3):
        world.one_pass()
    assert world.state == "Retrying"
    assert world.passes().state == "Initializing"


def test_the_cluster_is_shown_while_it_comes_and_while_the_job_runs() -> None:
    """Other tools read the name of the head's Service there."""
    world = waits_for_cluster()
    assert world.status["rayClusterStatus"]["state"] == ""
    world.make_ready()
    world.passes()
    shown = world.status["rayClusterStatus"]
    assert (shown["state"], shown["head"]["serviceName"]) == ("ready", f"{world.cluster.name}-head-svc")


@pytest.mark.parametrize(
    ("scales", "policy", "starts"),
    [(False, None, False), (True, None, True), (False, "Head", True), (True, "AllWorkers", False)],
)
def test_the_head_is_enough_where_the_queue_brings_the_workers(
    scales: bool,  # noqa: FBT001 - a column of the table
    policy: str | None,
    starts: bool,  # noqa: FBT001 - a column of the table
) -> None:
    fields = job_spec()["rayClusterSpec"] | {"enableInTreeAutoscaling": scales}
    world = waits_for_cluster(rayClusterSpec=fields, **({} if policy is None else {"startPolicy": policy}))
    world.make_ready()
    world.cluster.state = "unready"
    assert world.passes().state == ("Running" if starts else "Initializing")


def test_a_head_that_goes_is_waited_for_although_the_cluster_still_seems_ready() -> None:
    """Its status is behind: otherwise the job would go to and fro between two states."""
    world = waits_for_cluster()
    world.make_ready()
    world.cluster.leaving = True
    see_all(world)
    assert world.state == "Initializing"


def test_a_selected_cluster_may_come_later() -> None:
    world = on_a_selected_cluster()
    there = world.clusters.pop("shared")
    world.passes()
    assert (world.state, world.made) == ("Initializing", 0)
    world.clusters["shared"] = there
    assert world.passes().state == "Running"
