"""The demo's own test bed."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.narration import Narration
from images import build as image_build
from testbed import beds, binaries, record
from testbed.progress import Progress
from testbed.record import Wanted

NAME = "demo"


@dataclass(frozen=True)
class Images:
    """The archives to import into the nodes, and the image name that the operator's pod uses."""

    archives: tuple[Path, ...]
    operator_reference: str


def build() -> Images:
    """Build the missing programs and images."""
    progress = Progress()
    binaries.ensure([*binaries.NODE, "helm"], progress)
    operator, ray = (image_build.ensure(name, progress) for name in ("operator", "ray"))
    return Images((operator.archive, ray.archive), operator.reference)


def built() -> Images:
    """The images that the nodes have. Raises DemoError if the sources have changed since."""
    recipes = [image_build.current(name) for name in ("operator", "ray")]
    archives = tuple(map(image_build.archive, recipes))
    if not all(archive.is_file() for archive in archives):
        raise DemoError("the images are older than the sources: run `make demo` to build them")
    return Images(archives, recipes[0].reference)


def up(images: Images) -> Kubectl:
    """Bring the bed up, or use the running one, with the images on every node."""
    os.environ.pop("KUBECONFIG", None)  # the demo never touches the cluster that the user works with
    progress = Progress()
    bed = beds.up(Wanted(NAME, record.NODE), progress)
    for archive in images.archives:
        with progress.step(f"imported {archive.name}"):
            beds.load_image(bed, archive)
    return Kubectl(binaries.path("kubectl"), bed.kubeconfig)


def helm() -> Path:
    return binaries.path("helm")


def kubectl() -> Kubectl:
    """For a demo that continues. Raises DemoError if its Kubernetes is not up."""
    kubectl = kubectl_if_up()
    if kubectl is None:
        raise DemoError("the demo's Kubernetes is not up, so there is nothing to continue: run `make demo`")
    return kubectl


def kubectl_if_up() -> Kubectl | None:
    """For a diagnosis; None if no Kubernetes is up."""
    bed = record.load(NAME)
    return Kubectl(binaries.path("kubectl"), bed.kubeconfig) if bed and bed.kubeconfig.is_file() else None


def down(tell: Narration) -> None:
    """Take the bed down; a second Ctrl-C does not interrupt that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with tell.step("Take the Kubernetes down"):
            beds.down(NAME, Progress())
    finally:
        signal.signal(signal.SIGINT, before)


def what_next() -> str:
    """What to try with a bed that is left up, as shell commands."""
    return f"""
What to try next:
{beds.usage(beds.find(NAME))}
kubectl apply -k examples/autoscaling      # the cluster again; see examples/README.md
kubectl get pods --watch
kubectl edit raycluster elastic            # change `minReplicas` or `maxReplicas` of the group
kubectl -n rayfleet logs deploy/rayfleet --follow
make testbed-down BED={NAME:<21}# takes it down"""
