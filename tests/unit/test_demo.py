"""The demo: what it reads from pods and processes."""

import os
from pathlib import Path
from typing import Any

import pytest

from demo import containers, job, rayjobs
from demo.cli import begins_again, main
from demo.errors import DemoError
from demo.patience import Patience
from demo.pods import RayPod, without_ages
from images import recipes
from rayfleet.api.rayjob import RayJobSpec, parse_spec, validate

ID = "3f195b1e692f8b9e8a591f5795d81406db1e14c351703ee4948162659e7e5ac2"
OTHER = ID[::-1]


def process(folder: Path, group: str, numbers: str) -> Path:
    """A process as /proc shows it."""
    folder.mkdir()
    (folder / "cgroup").write_text(f"3:cpu:/kubepods/burstable/pod1/{group}\n0::/\n")
    (folder / "status").write_text(f"Name:\tbash\nNSpid:\t{numbers}\n")
    return folder


@pytest.mark.parametrize("group", [ID, f"cri-containerd-{ID}.scope"])
def test_the_first_process_of_a_container_is_known_by_its_cgroup(group: str, tmp_path: Path) -> None:
    """The kubelet may use cgroupfs or systemd."""
    assert containers.is_first_process(process(tmp_path / "700", group, "700 1"), ID)


def test_other_processes_are_left_alone(tmp_path: Path) -> None:
    """Those of other containers, further ones of this container, and those of the host."""
    assert not containers.is_first_process(process(tmp_path / "1", OTHER, "701 1"), ID)
    assert not containers.is_first_process(process(tmp_path / "2", ID, "702 17"), ID)
    assert not containers.is_first_process(process(tmp_path / "3", ID, "703"), ID)
    assert not containers.is_first_process(process(tmp_path / "4", "", "704 1"), ID)


@pytest.mark.parametrize("identity", ["", ID[:12]])
def test_only_a_full_id_can_be_killed(identity: str) -> None:
    """A part of an id could be another container's."""
    with pytest.raises(DemoError, match="is not a full container id"):
        containers.kill(identity)


def test_a_container_that_runs_elsewhere_is_not_killed(tmp_path: Path) -> None:
    """The processes looked through are this test's own, and none is in such a container."""
    process(tmp_path / str(os.getpid()), OTHER, "1")
    with pytest.raises(DemoError, match="runs on this machine"):
        containers.kill(ID, tmp_path)


def pod(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "metadata": {"name": "w-1", "uid": "u", "labels": {"ray.io/node-type": "worker"}},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "ray-worker"}, {"name": "sidecar"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "sidecar", "containerID": f"containerd://{OTHER}"},
                {"name": "ray-worker", "containerID": f"containerd://{ID}"},
            ],
        },
    }
    return {**body, **changes}


def test_the_ray_container_is_the_first_of_the_spec_whatever_the_order_of_its_statuses() -> None:
    """The kubelet sorts statuses by name."""
    found = RayPod.of(pod())
    assert (found.container_id, found.ready, found.node) == (ID, True, "worker-1")


def test_the_demo_knows_the_ray_container_behind_a_proxy_that_was_put_before_it() -> None:
    """By its start command, as the operator does."""
    command = [{"name": "KUBERAY_GEN_RAY_START_CMD", "value": "ray start"}]
    containers = [{"name": "sidecar"}, {"name": "ray-worker", "env": command}]
    assert RayPod.of(pod(spec={"nodeName": "worker-1", "containers": containers})).container_id == ID


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    """Its condition may still say so."""
    metadata = {**pod()["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    found = RayPod.of(pod(metadata=metadata))
    assert (found.ready, found.leaving) == (False, True)


def test_a_pod_without_a_status_is_neither_ready_nor_on_a_node() -> None:
    """It has only just been made."""
    found = RayPod.of(pod(spec={"containers": [{"name": "ray-worker"}]}, status={}))
    assert (found.ready, found.node, found.container_id) == (False, "", "")


def test_the_demo_shows_a_jobs_own_output_and_its_end() -> None:
    """Ray logs much more, of which only the retry of a task is shown."""
    log = [
        "2026-11-21 11:58:01,123\tINFO cli.py:41 -- Job submission server address: http://127.0.0.1:8265",
        "\x1b[36m9 tasks are queued.\x1b[39m",
        "(raylet) Task task failed. There are 3 retries remaining, so the task will be retried. Error: Task",
        "(raylet) The node with node id: 78f3 and address: 10.1.0.4 has been marked dead.",
        "(raylet, ip=10.1.0.4) Raylet is terminated. Last lines of its log:",
        "    [state-dump] NodeManager:",
        "(raylet, ip=10.1.0.4) [state-dump] cluster_resource_scheduler state:",
        "    [2026-11-21 11:58:02,345 I 12 12] (raylet) node_manager.cc:41: GCS is gone",
        "\t(2) raylet has lagging heartbeats due to slow network or busy workload.",
        "",
        "------------------",
        "Job 'gpu-tasks' succeeded",
        "------------------",
    ]
    assert list(job.own_words(log)) == [
        "9 tasks are queued.",
        "(Task task failed. There are 3 retries remaining, so the task will be retried.)",
        "Job 'gpu-tasks' succeeded",
    ]


class Scene:
    """A clock that advances with each pause, and the printed lines."""

    def __init__(self, going_on: list[str]) -> None:
        self.seconds = 0.0
        self.printed: list[str] = []
        self.going_on = going_on
        self.patience = Patience(
            self.printed.append, still=60, longest=300, now=lambda: self.seconds, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def words(self) -> str:
        """The state, which changes every 50 s."""
        return self.going_on[min(int(self.seconds // 50), len(self.going_on) - 1)]


def test_the_demo_waits_while_there_is_progress_and_prints_it() -> None:
    """Each step may take as long as everything on a fast machine."""
    scene = Scene(["the head starts", "an agent starts", "a worker starts", "the worker joins"])
    came = scene.patience.wait_for("3 GPUs", lambda: "yes" if scene.seconds >= 170 else None, scene.words)
    assert came == "yes"
    assert scene.printed == ["... an agent starts", "... a worker starts", "... the worker joins"]


def test_the_demo_stops_without_progress_and_prints_the_state() -> None:
    """Without progress something is broken, on any machine."""
    scene = Scene(["the head starts", "worker-1 is ErrImagePull"])
    words = "waited 110 s for 3 GPUs; no progress for 60 s. worker-1 is ErrImagePull"
    with pytest.raises(DemoError, match=words):
        scene.patience.wait_for("3 GPUs", lambda: None, scene.words)


def test_the_demo_stops_in_the_end_if_the_state_goes_round_in_circles() -> None:
    """A pod that is replaced repeatedly is no progress."""
    scene = Scene([f"worker-{n} starts" for n in range(100)])
    with pytest.raises(DemoError, match=r"waited 300 s for 3 GPUs\. worker-6 starts"):
        scene.patience.wait_for("3 GPUs", lambda: None, scene.words)


def test_pods_are_described_without_their_ages() -> None:
    """An age is no progress."""
    listed = "elastic-head-a1 0/1 ContainerCreating 0 7s\nelastic-gpu-1  1/1 Running 1 (9s ago) 40s\n"
    assert without_ages(listed) == (
        "elastic-head-a1 is ContainerCreating, 0/1 ready; elastic-gpu-1 is Running, 1/1 ready"
    )
    assert without_ages("The connection was refused") == "The connection was refused"


def test_the_demo_runs_the_example_of_a_job_with_the_image_that_is_on_the_nodes() -> None:
    """They cannot pull."""
    cluster = rayjobs.example()["spec"]["rayClusterSpec"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups}
    assert images == {recipes.recipe("ray", {}).reference}


def test_the_job_of_the_demo_that_fails_is_valid() -> None:
    """It ends by its program, and not before."""
    manifest = rayjobs.failing()
    spec = parse_spec(manifest["spec"])
    assert isinstance(spec, RayJobSpec), spec
    assert validate(spec, name=manifest["metadata"]["name"]) == ()


@pytest.mark.parametrize(("failed", "again"), [(3, 3), (4, 4), (5, 5), (6, 5), (8, 5), (9, 9), (12, 12)])
def test_a_step_that_needs_a_running_job_is_retried_with_a_new_job(failed: int, again: int) -> None:
    """The last job has ended by then."""
    assert begins_again(failed) == again


@pytest.mark.parametrize("step", ["1", "2", "13"])
def test_the_demo_cannot_continue_before_there_is_a_kubernetes(
    step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a demo from the start builds and brings up."""
    with pytest.raises(SystemExit):
        main(["--from", step])
    assert "must be a step from 3 to 12" in capsys.readouterr().err
