"""The kwok profile: a control plane and fake nodes, on which any number of pods run without being run."""

from testbed import binaries, paths
from testbed.api import Api
from testbed.control_plane import ControlPlane, on_loopback, pki_of
from testbed.processes import Daemon
from testbed.progress import Progress
from testbed.record import Bed
from testbed.waiting import wait_for

KWOK = "kwok"
_FAKE = {"kwok.x-k8s.io/node": "fake"}
_PODS_PER_NODE = 2000
_READY_S = 60.0


def start(bed: Bed, plane: ControlPlane, progress: Progress) -> None:
    """Start kwok beside a control plane that answers, and wait until every node takes pods."""
    with progress.step(f"started kwok with {bed.wanted.nodes} nodes"):
        _start_daemon(bed)
        api = plane.api()
        for name in bed.node_names:
            api.create("/api/v1/nodes", node_object(name, bed))
        wait_for("the fake nodes to take pods", lambda: _all_take_pods(api, bed), seconds=_READY_S)


def _start_daemon(bed: Bed) -> None:
    pki = pki_of(bed)
    kubeconfig = pki.folder / "kwok.kubeconfig"
    place = on_loopback(bed)
    pki.sign(KWOK, user=KWOK, groups=["system:masters"])
    pki.kubeconfig(KWOK, place.server, kubeconfig)
    Daemon(
        name=KWOK,
        argv=(
            *place.wrap,
            str(binaries.path(KWOK)),
            f"--kubeconfig={kubeconfig}",
            f"--config={paths.TEMPLATES / 'kwok-stages.yaml'}",
            f"--cidr={bed.subnets.pods}",
            "--node-lease-duration-seconds=40",  # a kubelet's
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        ),
        record=str(bed.folder / "processes"),
        log=str(bed.folder / "logs" / f"{KWOK}.log"),
    ).start()


def node_object(name: str, bed: Bed) -> dict[str, object]:
    """A large GPU machine, as its kubelet would register it."""
    has = {
        "cpu": "96",
        "memory": "1Ti",
        "ephemeral-storage": "1Ti",
        "pods": str(_PODS_PER_NODE),
        "nvidia.com/gpu": str(bed.wanted.gpus_per_node),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": _FAKE,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": KWOK},
        },
        "status": {
            "capacity": has,
            "allocatable": has,
            "addresses": [{"type": "Hostname", "address": name}],
        },
    }


def _all_take_pods(api: Api, bed: Bed) -> bool:
    # A new node is tainted until the controller manager has seen that it is ready.
    ready = [node for node in api.items("/api/v1/nodes") if not node["spec"].get("taints")]
    return len(ready) == bed.wanted.nodes
