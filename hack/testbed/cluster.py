"""The node profile without Docker: a control plane in a namespace of the bed, and real nodes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from testbed import cgroups, dns, images, network
from testbed.api import Api
from testbed.control_plane import ControlPlane, Place
from testbed.node import Node, held_namespaces
from testbed.processes import Daemon
from testbed.progress import Progress
from testbed.record import Bed
from testbed.waiting import wait_for

_READY_S = 60.0
_GPU = "nvidia.com/gpu"


def nodes(bed: Bed) -> list[Node]:
    """The nodes of a bed, running or not."""
    return [Node(bed, number) for number in range(1, bed.wanted.nodes + 1)]


def place(bed: Bed, enter: Sequence[str] = ()) -> Place:
    """The place of such a bed's control plane."""
    return Place(bed.subnets.control_plane, 6443, (2379, 2380), enter=tuple(enter))


def start(bed: Bed, progress: Progress) -> Bed:
    """Start everything, and wait until pods can run on every node with all its GPUs."""
    members = nodes(bed)
    for node in members:
        node.check_folder()
    # Everything is recorded before it is created: a crash from here on leaves nothing unrecorded.
    groups = [group for node in members for group in cgroups.folders(node.cgroup)]
    bed = bed.with_changes(links=(network.host_link(bed.subnets),), cgroups=tuple(groups))
    with progress.step("made namespaces, cgroups and the network"):
        inside = _make_namespaces(bed, members)
    plane = ControlPlane(bed, inside)
    with progress.step("made certificates"):
        plane.make_credentials()
        for node in members:
            node.configure(inside.server)
    with progress.step("started etcd, the API server and containerd"):
        plane.start_storage()
        plane.start_api_server()
        for node in members:
            node.start_containerd()
        load_image(bed, images.pause_archive())
        plane.wait_ready()
    with progress.step("started kubelets, kube-proxies and the rest"):
        plane.start_controllers()
        for node in members:
            node.start_kubelet()
        dns.start(bed, inside)
        dns.publish(plane.api(), bed)
        plane.wait_usable()
    with progress.step("nodes are ready, with GPUs and DNS"):
        _wait_ready(plane.api(), bed, members)
    return bed


def load_image(bed: Bed, archive: Path) -> None:
    """Import a docker archive into every node of the bed."""

    def load(node: Node) -> None:
        node.await_containerd()
        images.load(archive, node.enter)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(load, node) for node in nodes(bed)]:
            done.result()


def _make_namespaces(bed: Bed, members: Sequence[Node]) -> Place:
    cgroups.make(bed.cgroups)
    holder = Daemon(
        name="network",
        argv=("unshare", "--net", "--", "sleep", "infinity"),
        record=str(bed.folder / "processes"),
        log=str(bed.folder / "logs" / "network.log"),
    )
    holder.start()
    for node in members:
        node.make_namespaces()
    bridge = held_namespaces(holder)
    network.connect(bed.subnets, bridge, [node.pid for node in members])
    return place(bed, ["nsenter", f"--target={bridge}", "--net", "--"])


def _wait_ready(api: Api, bed: Bed, members: Sequence[Node]) -> None:
    def lacking() -> list[str]:
        there = {node["metadata"]["name"]: node["status"] for node in api.items("/api/v1/nodes")}
        return [
            node.name for node in members if not _is_ready(there.get(node.name), bed.wanted.gpus_per_node)
        ]

    def why() -> str:
        return "; ".join(f"{node.name}: {node.daemon('kubelet').last_words()}" for node in members[:1])

    wait_for("every node to be ready with its GPUs", lambda: not lacking(), seconds=_READY_S, why=why)
    address = bed.subnets.control_plane
    wait_for("the name server to answer", lambda: dns.answers(address), seconds=_READY_S)


def _is_ready(status: dict[str, Any] | None, gpus: int) -> bool:
    if status is None:
        return False
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    return conditions.get("Ready") == "True" and int(status.get("allocatable", {}).get(_GPU, 0)) == gpus
