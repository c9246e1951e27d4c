"""The commands about jobs on a real API server, with the operator; the test plays the kubelet and Ray."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rayfleet.cli.main import main
from support.builders import group, raycluster
from support.builders import spec as cluster_spec
from support.cluster_api import ClusterApi, Namespace
from support.faults.loop_thread import LoopThread
from support.job_operators import job_operator, jobs_installed
from support.job_scene import JobScene
from support.queue_scene import free_host
from support.stand_in_kubelet import StandInKubelet
from support.waiting import eventually

NAME = "train"
COMMAND = ("--", "python", "train.py")


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("job-commands")
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture(scope="module")
def jobs_allowed(api: ClusterApi) -> Iterator[None]:
    with jobs_installed(api):
        yield


@pytest.fixture
def kubelet(namespace: Namespace, loop: LoopThread, tmp_path: Path) -> Iterator[StandInKubelet]:
    made = StandInKubelet(namespace.api, f"node-{namespace.name}", free_host(), loop, tmp_path)
    yield made
    made.close()


@pytest.fixture
def scene(
    namespace: Namespace,
    loop: LoopThread,
    kubelet: StandInKubelet,
    tmp_path: Path,
    jobs_allowed: None,  # noqa: ARG001 - it is needed first
) -> Iterator[JobScene]:
    """An operator, and a node that runs the heads of the job `train`."""
    made = JobScene(namespace, NAME, loop, kubelet)
    with job_operator(namespace.api, namespace.name, tmp_path):
        yield made
    made.close()


def run(scene: JobScene, command: str, *words: str) -> int:
    kubeconfig = f"--kubeconfig={scene.api.kubeconfig}"
    return main([command, kubeconfig, "-n", scene.namespace.name, *words])


@contextmanager
def meanwhile(play: Callable[[], None]) -> Iterator[None]:
    """Something that others do while a command runs."""
    errors: list[BaseException] = []

    def act() -> None:
        try:
            play()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not errors, errors


def test_a_command_runs_as_a_job_from_its_cluster_to_its_exit_code(
    scene: JobScene, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cluster is created, the job submitted, its log shown, and the cluster goes."""

    def play() -> None:
        eventually("the job", lambda: scene.exists)
        job_id = scene.await_job()
        scene.dashboard.run(job_id)
        scene.dashboard.logs[job_id] = "epoch 1\n"
        eventually("the log to be read", lambda: scene.dashboard.asked("GET", f"/api/jobs/{job_id}/logs"))
        scene.dashboard.logs[job_id] += "epoch 2\n"
        scene.dashboard.finish(job_id, "FAILED", driver_exit_code=7)

    with meanwhile(play):
        assert run(scene, "submit", "--name", NAME, "--gpus", "1", *COMMAND) == 7
    said = capsys.readouterr()
    assert said.out == "epoch 1\nepoch 2\n"
    lines = said.err.splitlines()
    assert lines[0] == f"train: RayJob {scene.namespace.name}/train created"
    assert lines[-1].startswith("train: failed after ")
    assert "DriverExited (application)" in lines[-1]
    assert "the driver's exit code is 7" in lines[-1]
    (cluster,) = scene.clusters
    assert cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 1


def test_a_job_can_be_looked_at_stopped_and_listed(
    scene: JobScene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(scene, "submit", "--name", NAME, "--no-follow", *COMMAND) == 0
    assert capsys.readouterr().out == "rayjob/train\n"
    assert run(scene, "explain", "rayjob/train") == 0
    assert "RayJob" in capsys.readouterr().out
    assert run(scene, "logs", NAME) == 1
    assert "has no log yet" in capsys.readouterr().err

    job_id = scene.await_job()
    scene.dashboard.run(job_id)
    scene.dashboard.logs[job_id] = "one\ntwo\n"
    eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
    assert run(scene, "logs", NAME, "--tail", "1") == 0
    assert capsys.readouterr().out == "two\n"
    assert run(scene, "explain", "rayjob", NAME, "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["jobStatus"], found["waitsFor"]) == ("Running", "RUNNING", [])
    assert found["cluster"]["cluster"] == scene.status["rayClusterName"]

    assert run(scene, "stop", NAME) == 0
    assert "stopped after" in capsys.readouterr().err
    assert scene.status["jobStatus"] == "STOPPED"
    assert run(scene, "jobs", "-o", "json") == 0
    (listed,) = json.loads(capsys.readouterr().out)["jobs"]
    assert (listed["name"], listed["state"], listed["jobStatus"]) == (NAME, "Complete", "STOPPED")
    assert run(scene, "stop", NAME, "--delete") == 0
    eventually("the job to be gone", lambda: not scene.exists)


def test_a_job_that_waits_for_a_quota_says_so(scene: JobScene, capsys: pytest.CaptureFixture[str]) -> None:
    """In `explain`, and while it is followed."""
    scene.namespace.create("resourcequotas", {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    quota = f"/api/v1/namespaces/{scene.namespace.name}/resourcequotas/none"
    eventually("the quota to count", lambda: scene.api.call("GET", quota).get("status", {}).get("hard"))
    assert run(scene, "submit", "--name", NAME, "--no-follow", *COMMAND) == 0
    capsys.readouterr()

    def waits() -> list[dict[str, str]]:
        assert run(scene, "explain", "rayjob/train", "-o", "json") == 0
        found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["waitsFor"]
        return found

    eventually("the quota to be named", lambda: any("exceeded quota" in wait["message"] for wait in waits()))


def test_a_directory_is_sent_when_the_head_runs(
    scene: JobScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job is the user's to submit, and the operator follows it under the id that it then has."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("print(1)")

    def play() -> None:
        eventually("the job", lambda: scene.exists)
        scene.await_state("Waiting")
        eventually("the job in Ray", lambda: scene.dashboard.jobs)
        job_id = next(iter(scene.dashboard.jobs))
        scene.dashboard.run(job_id)
        scene.dashboard.logs[job_id] = "1\n"
        eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
        scene.dashboard.finish(job_id)

    with meanwhile(play):
        assert run(scene, "submit", "--name", NAME, "--working-dir", str(code), *COMMAND) == 0
    said = capsys.readouterr()
    assert said.out == "1\n"
    assert "sent the working directory (1 file, 1 KiB) and the job to train-" in said.err
    (package,) = scene.dashboard.packages
    (sent,) = scene.dashboard.submissions
    assert sent["runtime_env"] == {"working_dir": f"gcs://{package}"}
    assert scene.stored["spec"]["jobId"] == sent["submission_id"]


def test_kubectl_ray_can_submit(scene: JobScene) -> None:
    """Its steps: an interactive job whose id is set before there is such a job, then the user submits it."""
    job_id = "raysubmit_Abc123Def456Gh78"
    fields = {"submissionMode": "InteractiveMode", "jobId": job_id, "entrypoint": "python train.py"}
    scene.apply({**fields, "rayClusterSpec": cluster_spec(group("gpu", 1))})
    eventually("the cluster's name", lambda: scene.status.get("rayClusterName"))
    name = scene.status["rayClusterName"]

    def ready() -> bool:
        scene.play()
        status = scene.namespace.status(name)
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        return bool(conditions.get("Ready") == "True" and status.get("head", {}).get("serviceName"))

    eventually("the cluster to be ready", ready)
    service = scene.namespace.status(name)["head"]["serviceName"]
    assert service in [one["metadata"]["name"] for one in scene.namespace.services()]
    scene.await_state("Running")
    scene.dashboard.submit(job_id)
    scene.dashboard.run(job_id)
    eventually("Ray's word", lambda: scene.status.get("jobStatus") == "RUNNING")
    scene.dashboard.finish(job_id)
    status = scene.await_state("Complete")
    assert (status["jobStatus"], status["jobId"]) == ("SUCCEEDED", job_id)
    assert scene.dashboard.submissions == []


def test_a_job_on_a_named_cluster_leaves_it_alone(
    scene: JobScene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.namespace.apply(raycluster("shared", spec_fields=cluster_spec(group("gpu", 1))))

    def play() -> None:
        eventually("the job", lambda: scene.exists)
        job_id = scene.await_job()
        scene.dashboard.run(job_id)
        scene.dashboard.finish(job_id)

    with meanwhile(play):
        assert run(scene, "submit", "--name", NAME, "--cluster", "shared", *COMMAND) == 0
    assert [cluster["metadata"]["name"] for cluster in scene.clusters] == ["shared"]
    assert "train: succeeded" in capsys.readouterr().err
