"""The series of jobs, on values."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rayfleet.api.rayjob.status import JobDeploymentStatus
from rayfleet.engine.conditions import rfc3339
from rayfleet.kinds.rayjob.series import JobSeries
from rayfleet.kube.cache import Glance
from rayfleet.kube.objects.keys import Key, Owner
from rayfleet.kube.objects.roots import Root
from support.builders import NOW, cluster, head, worker
from support.job_cluster import JOB_UID
from support.job_view import snapshot
from support.job_world import World, job_spec
from support.scraping import Scene

SERIES_A_JOB = 5
CLUSTER = "train-abcde"
PLACE = {"name": "train", "namespace": "ml"}
KEY = Key("RayJob", "ml", "train")
WAITING = "rayfleet_job_waiting_seconds"
HELD = "rayfleet_job_gpus_held"


def samples(scene: Scene, status: Mapping[str, Any], now: float = NOW) -> list[Sample]:
    """The series of a job with this status, as a scraper reads them."""
    series = JobSeries(scene.clusters, scene.pods, scene.job_accounts, lambda: now)
    text = "".join(line for _, line in series.lines(Glance(KEY, JOB_UID, NOW - 90, {}, status)))
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def values(found: Iterable[Sample], name: str) -> dict[tuple[str, ...], float]:
    """The samples of one metric by their labels, without the job's own."""
    return {
        tuple(value for label, value in sorted(s.labels.items()) if label not in {*PLACE, "uid"}): s.value
        for s in found
        if s.name == name
    }


def names(found: Iterable[Sample]) -> list[str]:
    return [sample.name.removeprefix("kuberay_job_").removeprefix("rayfleet_job_") for sample in found]


def waits(state: JobDeploymentStatus, **fields: Any) -> dict[str, Any]:
    """The status of an attempt that began 40 s ago."""
    began = rfc3339(NOW - 40)
    return {"jobDeploymentStatus": state, "rayClusterName": CLUSTER, "startTime": began, **fields}


def its_cluster(uid: str = JOB_UID, **status: Any) -> Root:
    return replace(cluster(name=CLUSTER, status=status), owner=Owner("RayJob", "train", uid))


def ended(**fields: Any) -> World:
    """A job that ran for a minute and has failed, with the status that the operator writes."""
    world = World(job_spec(**fields)).passes()
    world.make_ready()
    world.passes()
    world.now += 60
    world.say("FAILED", driver_exit_code=1)
    return world.passes()


def holding(world: World, scene: Scene, *, gpus: int = 4, uid: str = JOB_UID) -> dict[str, Any]:
    """Its cluster is there with two workers; its status."""
    of = replace(its_cluster(uid), key=Key("RayCluster", "ml", world.status["rayClusterName"]))
    scene.store(of, [head(of), worker(of, 1, gpus=gpus), worker(of, 2, gpus=gpus)], {})
    return world.status


def test_a_job_shows_what_dashboards_for_kuberay_look_for() -> None:
    """Its identity, where it stands, and how long its attempt took."""
    identity = {**PLACE, "uid": JOB_UID}
    found = {s.name: (s.labels, s.value) for s in samples(Scene(), ended().status)}
    assert found["kuberay_job_info"] == (identity, 1.0)
    assert found["kuberay_job_deployment_status"] == ({**identity, "deployment_status": "Failed"}, 1.0)
    took = {**identity, "job_deployment_status": "Failed", "retry_count": "0"}
    assert found["kuberay_job_execution_duration_seconds"] == (took, 60.0)


@pytest.mark.parametrize(
    ("state", "failed", "before"), [("Complete", 0, 0), ("Complete", 2, 2), ("Failed", 3, 2)]
)
def test_the_duration_says_how_many_attempts_had_failed_before(state: str, failed: int, before: int) -> None:
    times = {"startTime": rfc3339(NOW - 100), "endTime": rfc3339(NOW - 60)}
    found = samples(Scene(), {"jobDeploymentStatus": state, "failed": failed, **times})
    assert values(found, "kuberay_job_execution_duration_seconds") == {(state, str(before)): 40.0}


def retried(scene: Scene) -> World:
    """A job whose first attempt has failed, and whose second one runs."""
    world = World(job_spec(backoffLimit=1))
    for _ in range(12):
        world.finish_going()
        world.poll()
        scene.job_accounts.settled(snapshot(world))
        world.one_pass()
        world.make_ready()
        if world.status.get("attempt") == 1:
            world.now += 5
            world.say("FAILED", driver_exit_code=1)
    return world


def test_an_attempt_that_is_retried_is_shown_with_its_duration_while_the_next_one_runs() -> None:
    scene = Scene()
    world = retried(scene)
    assert (world.status["attempt"], world.status["jobDeploymentStatus"]) == (2, "Running")
    found = values(samples(scene, world.status), "kuberay_job_execution_duration_seconds")
    ((labels, seconds),) = found.items()
    assert labels == ("Retrying", "0")
    assert seconds > 0


def test_a_job_that_has_not_begun_has_an_empty_state_and_waits_for_nothing() -> None:
    found = samples(Scene(), {})
    assert names(found) == ["info", "deployment_status"]
    assert found[1].labels["deployment_status"] == ""


@pytest.mark.parametrize("state", ["Suspended", "Suspending", "ValidationFailed", "Complete", "Failed"])
def test_a_job_that_does_not_run_on_purpose_waits_for_nothing(state: str) -> None:
    found = samples(Scene(), waits(JobDeploymentStatus(state)))
    assert names(found) == ["info", "deployment_status"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (waits(JobDeploymentStatus.WAITING), "User"),
        (waits(JobDeploymentStatus.RUNNING), "Submission"),
        (waits(JobDeploymentStatus.RUNNING, jobStatus="PENDING"), "Driver"),
        (
            waits(JobDeploymentStatus.RUNNING, jobStatusCheckFailureStartTime=rfc3339(NOW - 9)),
            "DashboardUnreachable",
        ),
        (waits(JobDeploymentStatus.INITIALIZING), "NoCluster"),
    ],
)
def test_a_job_says_what_it_waits_for_and_since_when(status: dict[str, Any], reason: str) -> None:
    assert values(samples(Scene(), status), WAITING) == {(CLUSTER, reason): 40.0}


@pytest.mark.parametrize("said", ["RUNNING", "SUCCEEDED", "FAILED", "STOPPED"])
def test_a_job_that_ray_runs_waits_for_nothing(said: str) -> None:
    assert not values(samples(Scene(), waits(JobDeploymentStatus.RUNNING, jobStatus=said)), WAITING)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, "Starting"),
        ({"conditions": [{"type": "Ready", "status": "True", "reason": "AllPodsReady"}]}, "Starting"),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "PodsNotReady"}]}, "PodsNotReady"),
        (
            {
                "conditions": [{"type": "Ready", "status": "False", "reason": "PodsMissing"}],
                "workerGroups": [{"groupName": "a"}, {"groupName": "b", "reason": "QuotaExceeded"}],
            },
            "QuotaExceeded",
        ),
    ],
)
def test_a_job_waits_for_what_its_cluster_lacks(status: dict[str, Any], reason: str) -> None:
    scene = Scene()
    scene.store(its_cluster(), status=status)
    found = samples(scene, waits(JobDeploymentStatus.INITIALIZING))
    assert values(found, WAITING) == {(CLUSTER, reason): 40.0}


def test_a_retry_is_waited_for_since_the_failure() -> None:
    status = waits(JobDeploymentStatus.RETRYING, verdict={"time": rfc3339(NOW - 7)})
    assert values(samples(Scene(), status), WAITING) == {(CLUSTER, "NextAttempt"): 7.0}


def test_a_silent_dashboard_shows_for_how_long_until_it_answers() -> None:
    """Also of a job that Ray ran when it was last heard."""
    name = "rayfleet_job_dashboard_unreachable_seconds"
    status = waits(JobDeploymentStatus.RUNNING, jobStatus="RUNNING")
    assert not values(samples(Scene(), status), name)
    status["jobStatusCheckFailureStartTime"] = rfc3339(NOW - 15)
    assert values(samples(Scene(), status), name) == {(): 15.0}
    status["jobDeploymentStatus"] = JobDeploymentStatus.FAILED
    assert not values(samples(Scene(), status), name)


def test_the_gpus_that_an_ended_job_holds_are_those_of_its_pods() -> None:
    """They are counted as they are now, times the seconds since the end."""
    scene, world = Scene(), ended()
    status = holding(world, scene)
    found = samples(scene, status, now=world.now + 100)
    assert values(found, HELD) == {("NoRule",): 8.0}
    assert values(found, "rayfleet_job_held_gpu_seconds") == {("NoRule",): 800.0}


def test_a_cluster_that_a_rule_will_delete_has_that_reason() -> None:
    scene = Scene()
    status = holding(ended(shutdownAfterJobFinishes=True, ttlSecondsAfterFinished=900), scene)
    assert values(samples(scene, status), HELD) == {("Kept",): 8.0}


def test_a_cluster_without_gpus_is_shown_too() -> None:
    scene = Scene()
    assert values(samples(scene, holding(ended(), scene, gpus=0)), HELD) == {("NoRule",): 0.0}


def test_a_job_whose_cluster_is_gone_holds_nothing() -> None:
    """Even if its status has not been brought up to date."""
    assert names(samples(Scene(), ended().status)) == [
        "info",
        "deployment_status",
        "execution_duration_seconds",
    ]


def test_what_another_job_holds_is_not_counted() -> None:
    """Whoever may write a status may put any name into it."""
    scene = Scene()
    assert not values(samples(scene, holding(ended(), scene, uid="another")), HELD)


def test_a_job_that_ended_on_a_selected_cluster_holds_nothing() -> None:
    world = World(job_spec(clusterSelector={"ray.io/cluster": "shared"}))
    scene = Scene()
    scene.store(cluster(name="shared"), [])
    world.status = {**ended().status, "rayClusterName": "shared"}
    assert not values(samples(scene, world.status), HELD)


@pytest.mark.parametrize(
    ("state", "count"),
    [
        (JobDeploymentStatus.INITIALIZING, SERIES_A_JOB - 1),
        (JobDeploymentStatus.WAITING, SERIES_A_JOB - 1),
        (JobDeploymentStatus.RUNNING, SERIES_A_JOB),
    ],
)
def test_series_of_a_job_under_way_stay_within_their_bound(state: JobDeploymentStatus, count: int) -> None:
    """One that was retried, and whose dashboard was silent."""
    scene = Scene()
    retried(scene)
    assert len(samples(scene, waits(state, jobStatusCheckFailureStartTime=rfc3339(NOW)))) == count


def test_series_of_an_ended_job_stay_within_their_bound() -> None:
    scene = Scene()
    assert len(samples(scene, holding(ended(), scene))) == SERIES_A_JOB


@pytest.mark.parametrize(
    "status",
    [
        {"jobDeploymentStatus": 'any "text"\n', "rayClusterName": "../x", "startTime": "soon"},
        {"jobDeploymentStatus": ["Failed"], "conditions": "none", "endTime": 7},
        {"jobDeploymentStatus": "Failed", "endTime": "soon", "startTime": "later", "failed": -1},
        {"jobDeploymentStatus": "Initializing", "rayClusterName": 'a"}\n', "startTime": rfc3339(NOW)},
        {"jobDeploymentStatus": "Retrying", "verdict": "mine"},
        {"jobDeploymentStatus": "Running", "jobStatusCheckFailureStartTime": "0000-01-01T00:00:00Z"},
    ],
)
def test_a_status_of_any_shape_does_not_break_the_scrape(status: dict[str, Any]) -> None:
    """Whoever may write a status can make neither another line nor a label of any length."""
    found = samples(Scene(), status)
    assert names(found)[:2] == ["info", "deployment_status"]
    states = {*map(str, JobDeploymentStatus), "Other"}
    assert set(values(found, "kuberay_job_deployment_status")) <= {(state,) for state in states}
    assert all(value >= 0 for value in values(found, WAITING).values())


def test_a_reason_of_resources_held_that_is_not_ours_is_one_value() -> None:
    scene = Scene()
    status = holding(ended(), scene)
    held = {"type": "ResourcesHeld", "status": "True", "reason": "x" * 9000}
    assert values(samples(scene, {**status, "conditions": [held]}), HELD) == {("Other",): 8.0}
