"""RayJobs on a real API server, whose pods run because the test says so, with a dashboard that listens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.builders import group
from support.builders import spec as cluster_spec
from support.cluster_api import ClusterApi, Namespace
from support.faults.loop_thread import LoopThread
from support.job_operators import job_operator, jobs_installed
from support.job_scene import JobScene
from support.operator_process import OperatorProcess
from support.waiting import eventually


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("jobs")
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture(scope="module")
def jobs_allowed(api: ClusterApi) -> Iterator[None]:
    with jobs_installed(api):
        yield


@pytest.fixture
def operator(
    api: ClusterApi,
    namespace: Namespace,
    tmp_path: Path,
    jobs_allowed: None,  # noqa: ARG001 - it is needed first
) -> Iterator[OperatorProcess]:
    """A running operator for this test's namespace that runs jobs."""
    with job_operator(api, namespace.name, tmp_path) as process:
        yield process


@pytest.fixture
def scene(namespace: Namespace, loop: LoopThread, operator: OperatorProcess) -> Iterator[JobScene]:
    """A job called `train`, and an operator for its namespace."""
    assert operator
    made = JobScene(namespace, "train", loop)
    yield made
    made.close()


def job(**fields: Any) -> dict[str, Any]:
    own = {} if "clusterSelector" in fields else {"rayClusterSpec": cluster_spec(group("gpu", 1))}
    return {"entrypoint": "python train.py", "submissionMode": "HTTPMode"} | own | fields


def test_a_job_is_submitted_once_and_gives_its_cluster_back(scene: JobScene) -> None:
    """The reference's first scenario, over HTTP: no submitter, no pod left."""
    scene.apply(job(shutdownAfterJobFinishes=True))
    job_id = scene.await_job()
    assert [c["metadata"]["name"] for c in scene.clusters] == [scene.status["rayClusterName"]]
    scene.dashboard.run(job_id)
    eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
    scene.dashboard.finish(job_id)
    status = scene.await_state("Complete")
    assert (status["jobStatus"], status["succeeded"], status["failed"]) == ("SUCCEEDED", 1, 0)
    assert status["rayJobInfo"].keys() == {"startTime", "endTime"}
    eventually("the cluster to be gone", lambda: not scene.clusters)
    assert len(scene.dashboard.submissions) == 1
    assert scene.submitters == []
    assert scene.condition("Complete")["status"] == "True"


def test_a_job_that_fails_says_why_and_keeps_its_cluster_unless_told_otherwise(scene: JobScene) -> None:
    scene.apply(job())
    job_id = scene.await_job()
    scene.dashboard.finish(job_id, "FAILED")
    status = scene.await_state("Failed")
    assert (status["jobStatus"], status["reason"], status["failed"]) == ("FAILED", "AppFailed", 1)
    assert (status["verdict"]["category"], status["verdict"]["cause"]) == ("application", "DriverExited")
    held = scene.condition("ResourcesHeld")
    assert (held["status"], held["reason"]) == ("True", "NoRule")
    assert len(scene.clusters) == 1


def test_each_attempt_gets_a_cluster_of_its_own(scene: JobScene) -> None:
    """The reference's seventh scenario: `backoffLimit: 1`, always failing."""
    scene.apply(job(backoffLimit=1, shutdownAfterJobFinishes=True))
    first = scene.await_job()
    before = scene.status["rayClusterName"]
    scene.dashboard.finish(first, "FAILED")
    eventually("another attempt", lambda: scene.status.get("attempt") == 2)
    second = scene.await_job()
    eventually("the second job", lambda: len(scene.dashboard.jobs) == 2)
    second = next(reversed(scene.dashboard.jobs))
    assert second != first
    assert scene.status["rayClusterName"] != before
    scene.dashboard.finish(second, "FAILED")
    status = scene.await_state("Failed")
    assert (status["failed"], status["succeeded"]) == (2, 0)


def test_a_suspended_job_holds_nothing_and_begins_again(scene: JobScene) -> None:
    scene.apply(job(suspend=True, shutdownAfterJobFinishes=True))
    scene.await_state("Suspended")
    assert scene.clusters == []
    scene.edit(suspend=False)
    scene.await_job()
    before = scene.status["rayClusterName"]
    scene.edit(suspend=True)
    status = scene.await_state("Suspended")
    assert scene.namespace.clusters() == []
    assert {"rayClusterName", "jobId", "jobStatus"}.isdisjoint(name for name, v in status.items() if v)
    scene.edit(suspend=False)
    scene.await_state("Running")
    assert scene.status["rayClusterName"] not in {"", before}


def test_a_lost_head_ends_the_attempt_at_once_with_that_cause(scene: JobScene) -> None:
    """It is no failure of the program, and Ray, which has forgotten the job, is not asked for minutes."""
    scene.apply(job())
    job_id = scene.await_job()
    scene.dashboard.run(job_id)
    eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
    scene.dashboard.jobs.clear()
    (head,) = scene.namespace.living_pods("ray.io/node-type=head")
    scene.namespace.delete_pod(head["metadata"]["name"])
    status = scene.await_state("Failed", seconds=5)
    assert (status["verdict"]["category"], status["verdict"]["cause"]) == ("infrastructure", "HeadLost")
    assert len(scene.dashboard.submissions) == 1


def test_a_deadline_stops_the_job_in_ray_before_its_cluster_goes(scene: JobScene) -> None:
    scene.apply(job(activeDeadlineSeconds=4, shutdownAfterJobFinishes=True))
    job_id = scene.await_job()
    scene.dashboard.run(job_id)
    status = scene.await_state("Failed")
    assert (status["reason"], status["jobStatus"]) == ("DeadlineExceeded", "RUNNING")
    eventually("the cluster to be gone", lambda: not scene.clusters)
    stops = [path for method, path in scene.dashboard.requests if path.endswith("/stop")]
    assert stops == [f"/api/jobs/{job_id}/stop"]


def test_an_operator_that_was_away_at_the_end_learns_the_result(
    scene: JobScene, operator: OperatorProcess
) -> None:
    scene.apply(job(shutdownAfterJobFinishes=True))
    job_id = scene.await_job()
    scene.dashboard.run(job_id)
    eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
    operator.kill()
    scene.dashboard.finish(job_id)
    operator.start()
    status = scene.await_state("Complete", seconds=30)
    assert (status["jobStatus"], status["succeeded"]) == ("SUCCEEDED", 1)
    assert len(scene.dashboard.submissions) == 1


def test_a_submitter_whose_end_says_nothing_does_not_decide(scene: JobScene) -> None:
    """Its log stream was cut: the job goes on, and Ray says how it ends."""
    scene.apply(job(submissionMode="K8sJobMode", shutdownAfterJobFinishes=True))
    scene.await_state("Running")
    eventually("the submitter", lambda: [j["metadata"]["name"] for j in scene.submitters] == ["train"])
    job_id = scene.status["jobId"]
    scene.dashboard.submit(job_id)
    scene.dashboard.run(job_id)
    eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
    scene.end_submitter(69)
    eventually(
        "its Job to have failed", lambda: "Failed" in str(scene.submitters[0]["status"].get("conditions"))
    )
    scene.dashboard.finish(job_id)
    assert scene.await_state("Complete")["jobStatus"] == "SUCCEEDED"


def test_a_selected_cluster_is_used_and_left_alone(scene: JobScene) -> None:
    scene.apply(job(clusterSelector={"ray.io/cluster": "shared"}))
    eventually("the warning", lambda: "RayClusterNotFound" in dict(scene.events()))
    made = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "shared"}}
    scene.namespace.apply({**made, "spec": cluster_spec(group("gpu", 1))})
    job_id = scene.await_job()
    scene.dashboard.finish(job_id)
    scene.await_state("Complete")
    assert [c["metadata"]["name"] for c in scene.clusters] == ["shared"]
