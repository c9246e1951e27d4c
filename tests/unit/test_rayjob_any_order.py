"""Whatever happens to a job, in whatever order, it ends once and gives back what no rule keeps."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.job_scenes import SELECTED
from support.job_trouble import (
    STEPS,
    USERS_JOB,
    name_the_job,
    settle,
    shared_cluster,
    submit_by_hand,
)
from support.job_world import ENDED, World, job_spec

SHUTDOWN = {"shutdownAfterJobFinishes": True}
LEGACY = {"onSuccess": {"policy": "DeleteCluster"}, "onFailure": {"policy": "DeleteSelf"}}
RULES = {
    "deletionRules": [
        {"policy": "DeleteCluster", "condition": {"jobStatus": "SUCCEEDED", "ttlSeconds": 30}},
        {"policy": "DeleteCluster", "condition": {"jobStatus": "FAILED"}},
        {"policy": "DeleteWorkers", "condition": {"jobDeploymentStatus": "Failed", "ttlSeconds": 20}},
        {"policy": "DeleteCluster", "condition": {"jobDeploymentStatus": "Failed", "ttlSeconds": 60}},
    ]
}
CLEANUPS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        SHUTDOWN,
        SHUTDOWN | {"ttlSecondsAfterFinished": 60},
        {"deletionStrategy": LEGACY},
        {"deletionStrategy": RULES},
    ]
)
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"retryPolicy": {"cluster": "Recreate", "infrastructureLimit": 1}},
)
REUSE = {"retryPolicy": {"infrastructureLimit": 1}}
DEADLINE = st.sampled_from([None, None, 10, 600])


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A valid spec."""
    mode = draw(st.sampled_from(["HTTPMode", "K8sJobMode", "SidecarMode", "InteractiveMode"]))
    fields: dict[str, Any] = {"submissionMode": mode}
    selects = mode != "SidecarMode" and draw(st.integers(0, 3)) == 0
    fields |= SELECTED if selects else draw(CLEANUPS)
    if mode == "InteractiveMode":
        fields |= draw(st.sampled_from([{}, {"jobId": USERS_JOB}]))
    elif not selects:
        fields["backoffLimit"] = draw(st.integers(0, 2))
        fields |= draw(st.sampled_from([*POLICIES, *([] if mode == "SidecarMode" else [REUSE])]))
    for name in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        limit = draw(DEADLINE)
        fields |= {} if limit is None else {name: limit}
    return job_spec(**fields)


def begun(spec: dict[str, Any], upto: int) -> World:
    """The job without trouble: new, with a cluster that comes, with a head that is ready, or running."""
    world = World(spec)
    if "clusterSelector" in spec:
        world.clusters["shared"] = shared_cluster()
    if upto > 0:
        world.passes()
    if upto > 1:
        world.make_ready()
        name_the_job(world)
        world.passes()
    if upto > 2:
        world.run_submitter()
        submit_by_hand(world)
        world.say("RUNNING")
        world.passes()
    return world


def check_end(world: World) -> None:
    if world.deleted_at:
        assert world.gone
        return
    assert world.state in ENDED, world.status
    assert [state for state in world.history if state in ENDED] == [world.state]
    own = [cluster for cluster in world.clusters.values() if cluster.owned]
    assert not any(map(world.running_in, world.clusters.values())), "it is stopped in Ray"
    if world.spec.get("shutdownAfterJobFinishes") or world.spec.get("deletionStrategy"):
        assert own == []
    held = {c.type: c.status for c in world.recorded.conditions}["ResourcesHeld"]
    assert (held == "True") == bool(own)
    assert not world.finalizers or "clusterSelector" in world.spec


def check_counts(world: World) -> None:
    """Attempts stay within their bounds, and those that did not count against one have failed outside."""
    recorded = world.recorded
    free = recorded.infrastructure_failures or 0
    assert free <= (2 if "retryPolicy" in world.spec else 0)
    assert (recorded.failed or 0) - free <= world.spec.get("backoffLimit", 0) + 1
    assert (recorded.attempt or 0) >= (recorded.failed or 0)
    if world.state in {"Suspended", "ValidationFailed"}:
        assert not any(cluster.owned for cluster in world.clusters.values())


def check_rest(world: World) -> None:
    """Nothing is written any more."""
    before = dict(world.status)
    for _ in range(3):
        world.now += 3600
        world.poll()
        assert world.one_pass().actions == ()
    assert world.status == before


@given(specs(), st.integers(0, 3), st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
@settings(max_examples=200, derandomize=True)
def test_any_order_of_events_ends_once_and_leaves_nothing_behind(
    spec: dict[str, Any], upto: int, steps: list[str]
) -> None:
    world = begun(spec, upto)
    for step in steps:
        if not world.gone:
            STEPS[step](world)
            world.check()
            check_counts(world)
    settle(world)
    check_end(world)
    if not world.gone:
        check_rest(world)
