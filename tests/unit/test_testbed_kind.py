"""The command lines that create the test bed if a Docker engine answers."""

from pathlib import Path

import pytest
import yaml

from testbed import beds, binaries, kind, paths, prerequisites, record
from testbed.errors import TestbedError
from testbed.progress import QUIET
from testbed.record import Bed, Wanted


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    monkeypatch.setenv("RAYFLEET_CACHE", str(tmp_path))
    return Bed(Wanted("dev", record.NODE), index=3, boot_id="boot", driver=record.KIND)


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_the_cluster_has_one_worker_for_each_node_asked_for(nodes: int) -> None:
    """The control plane is a separate node, which runs none of our pods."""
    roles = [node["role"] for node in kind.cluster_config(nodes)["nodes"]]
    assert roles == ["control-plane", *["worker"] * nodes]


def test_the_committed_configuration_is_that_of_the_default_bed() -> None:
    """`kind create cluster --config kind-config.yaml` by hand gives the same two nodes."""
    committed = yaml.safe_load((Path(__file__).parents[2] / "kind-config.yaml").read_text())
    assert kind.cluster_config(Wanted("dev").nodes) == committed


def test_kind_runs_the_same_minor_version_as_the_nodes_without_docker() -> None:
    """A test must not pass on one and fail on the other because of the version."""
    minor = ".".join(binaries.version("kubernetes").split(".")[:2])
    images = {node["image"] for node in kind.cluster_config(2)["nodes"]}
    assert all(image.startswith(f"kindest/node:{minor}.") and "@sha256:" in image for image in images)


def test_kind_writes_the_kubeconfig_of_the_bed_and_not_that_of_the_user(bed: Bed) -> None:
    """The user's current context stays as it was."""
    create = kind.create_commands(bed)[0]
    assert create[1:] == [
        "create",
        "cluster",
        "--name=rayfleet-dev",
        f"--config={paths.beds()}/dev/kind-config.yaml",
        f"--kubeconfig={paths.beds()}/dev/kubeconfig",
        "--wait=180s",
    ]


def test_the_gpu_plugin_is_built_loaded_and_rolled_out_before_the_bed_is_ready(bed: Bed) -> None:
    """It is the same program as without Docker, as an image that is on the nodes before its pods."""
    steps = [[Path(command[0]).name, *command[1:3]] for command in kind.create_commands(bed)[1:]]
    kubeconfig = f"--kubeconfig={bed.kubeconfig}"
    assert steps == [
        ["docker", "build", "--quiet"],
        ["kind", "load", "docker-image"],
        ["kubectl", kubeconfig, "apply"],
        ["kubectl", kubeconfig, "--namespace=kube-system"],
    ]


def test_a_bed_without_gpus_gets_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing unused is built."""
    monkeypatch.setenv("RAYFLEET_CACHE", str(tmp_path))
    bare = Bed(Wanted("bare", record.NODE, gpus_per_node=0), index=0, boot_id="boot", driver=record.KIND)
    assert len(kind.create_commands(bare)) == 1


def test_an_image_is_loaded_from_the_same_archive(bed: Bed) -> None:
    """The images need not be in Docker: they are files, as without it."""
    command = kind.load_image_command(bed, Path("/images/ray.tar"))
    assert command[1:] == ["load", "image-archive", "/images/ray.tar", "--name=rayfleet-dev"]


def test_gpus_are_set_in_error_inside_the_container_that_is_the_node() -> None:
    """The plugin reads the same kind of file with and without Docker."""
    assert kind.unhealthy_gpus_command("rayfleet-dev-worker", ["gpu-1", "gpu-3"]) == [
        *("docker", "exec", "rayfleet-dev-worker", "sh", "-c"),
        "echo gpu-1 gpu-3 >/var/lib/rayfleet/unhealthy-gpus",
    ]


def test_a_bed_of_kind_is_deleted_by_its_own_name(bed: Bed) -> None:
    """No other cluster of the user is touched."""
    assert kind.delete_command(bed)[1:4] == ["delete", "cluster", "--name=rayfleet-dev"]


def test_kind_makes_the_nodes_only_where_a_docker_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `docker` without an engine counts as none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = tmp_path / "docker"
    assert not kind.answers()
    for status in (1, 0):
        docker.write_text(f"#!/bin/sh\nexit {status}\n")
        docker.chmod(0o755)
        assert kind.answers() is (status == 0)


def test_a_control_plane_has_no_nodes_to_load_an_image_into(tmp_path: Path) -> None:
    """The message names the profile that has nodes."""
    plane = Bed(Wanted("plane"), index=0, boot_id="boot")
    with pytest.raises(TestbedError, match="bring one up with --profile node"):
        beds.load_image(plane, tmp_path / "image.tar")


def test_nodes_without_docker_need_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says so, with the alternative."""
    monkeypatch.setenv("RAYFLEET_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(TestbedError, match="run it as root"):
        beds.up(Wanted("dev", record.NODE), QUIET)
    assert record.names() == []


def test_without_root_the_line_that_installs_packages_begins_with_sudo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can be pasted as it is."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    line = prerequisites.install_line([prerequisites.Package("runc", "runc", "containers")])
    assert line == "sudo apt-get install -y --no-install-recommends runc"
