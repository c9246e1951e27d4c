"""The node profile where a Docker engine answers: nodes are containers, made by kind.

What runs is the same: Kubernetes of the same minor version, the same images, the same GPU device plugin.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from testbed import binaries, paths
from testbed.errors import TestbedError
from testbed.progress import Progress
from testbed.record import Bed
from testbed.waiting import wait_for

Command = list[str]

_CONFIG = Path(__file__).parents[2] / "kind-config.yaml"
_PLUGIN_IMAGE = "localhost/rayfleet/gpu-plugin:1"
_UNHEALTHY = "/var/lib/rayfleet/unhealthy-gpus"
_GPU = "nvidia.com/gpu"
_READY_S = 180.0


def answers() -> bool:
    """A Docker engine runs and lets us in."""
    if not shutil.which("docker"):
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def cluster_name(bed_name: str) -> str:
    return f"rayfleet-{bed_name}"


def cluster_config(nodes: int) -> dict[str, Any]:
    """kind-config.yaml with as many workers as asked for."""
    config: dict[str, Any] = yaml.safe_load(_CONFIG.read_text())
    control_plane, worker = config["nodes"][:2]
    return {**config, "nodes": [control_plane, *[worker] * nodes]}


def create_commands(bed: Bed) -> list[Command]:
    """What makes the cluster, in order: kind writes the bed's own kubeconfig and no other."""
    kind, name = str(binaries.path("kind")), cluster_name(bed.name)
    kubectl = [str(binaries.path("kubectl")), f"--kubeconfig={bed.kubeconfig}"]
    dockerfile = Path(__file__).parent / "gpu-plugin.Dockerfile"
    create = [kind, "create", "cluster", f"--name={name}", f"--config={_config_of(bed)}"]
    commands = [[*create, f"--kubeconfig={bed.kubeconfig}", "--wait=180s"]]
    if bed.wanted.gpus_per_node:
        commands += [
            [
                "docker",
                "build",
                "--quiet",
                f"--tag={_PLUGIN_IMAGE}",
                f"--file={dockerfile}",
                str(dockerfile.parent),
            ],
            [kind, "load", "docker-image", _PLUGIN_IMAGE, f"--name={name}"],
            [*kubectl, "apply", f"--filename={_plugin_manifest_of(bed)}"],
            [
                *kubectl,
                "--namespace=kube-system",
                "rollout",
                "status",
                "daemonset/gpu-plugin",
                "--timeout=120s",
            ],
        ]
    return commands


def load_image_command(bed: Bed, archive: Path) -> Command:
    return [
        str(binaries.path("kind")),
        "load",
        "image-archive",
        str(archive),
        f"--name={cluster_name(bed.name)}",
    ]


def unhealthy_gpus_command(node: str, gpus: Sequence[str]) -> Command:
    """Tell the plugin on a node, which is a container of the same name, which GPUs are in error."""
    return ["docker", "exec", node, "sh", "-c", f"echo {' '.join(gpus)} >{_UNHEALTHY}"]


def delete_command(bed: Bed) -> Command:
    kind = str(binaries.path("kind"))
    return [kind, "delete", "cluster", f"--name={cluster_name(bed.name)}", f"--kubeconfig={bed.kubeconfig}"]


def start(bed: Bed, progress: Progress) -> Bed:
    """Create the cluster, and wait until every node offers its GPUs."""
    _config_of(bed).write_text(yaml.safe_dump(cluster_config(bed.wanted.nodes)))
    template = Template((paths.TEMPLATES / "gpu-plugin.yaml").read_text())
    manifest = template.substitute(image=_PLUGIN_IMAGE, count=bed.wanted.gpus_per_node)
    _plugin_manifest_of(bed).write_text(manifest)
    for command in create_commands(bed):
        with progress.step(" ".join([Path(command[0]).name, *command[1:3]])):
            _run(command)
    with progress.step("nodes are ready, with GPUs"):
        wait_for(
            "every node to offer its GPUs", lambda: len(workers(bed)) == bed.wanted.nodes, seconds=_READY_S
        )
    return bed


def workers(bed: Bed) -> list[str]:
    """The nodes that offer all their GPUs."""
    listed = json.loads(_kubectl(bed, "get", "nodes", "--output=json") or '{"items": []}')["items"]
    return [
        node["metadata"]["name"]
        for node in listed
        if "node-role.kubernetes.io/control-plane" not in node["metadata"]["labels"]
        and int(node["status"]["allocatable"].get(_GPU, 0)) == bed.wanted.gpus_per_node
    ]


def ready(bed: Bed) -> bool:
    """The cluster's API server answers."""
    return _kubectl(bed, "get", "--raw=/readyz") == "ok"


def load_image(bed: Bed, archive: Path) -> None:
    """Import a docker archive into every node."""
    _run(load_image_command(bed, archive))


def set_unhealthy_gpus(node: str, gpus: Sequence[str]) -> None:
    """Report exactly these GPUs of a node as unhealthy."""
    _run(unhealthy_gpus_command(node, gpus))


def delete(bed: Bed) -> None:
    """Delete the cluster; one that was never made does no harm."""
    if binaries.path("kind").is_file():
        _run(delete_command(bed))


def _config_of(bed: Bed) -> Path:
    return bed.folder / "kind-config.yaml"


def _plugin_manifest_of(bed: Bed) -> Path:
    return bed.folder / "gpu-plugin.yaml"


def _kubectl(bed: Bed, *arguments: str) -> str:
    command = [str(binaries.path("kubectl")), f"--kubeconfig={bed.kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(command: Command) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
