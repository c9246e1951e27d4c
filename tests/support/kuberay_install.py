"""A stand-in for KubeRay's chart: its CRDs, as helm or kubectl installs them."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from support.chart import HelmRelease
from support.testbed import RunningControlPlane
from testbed import binaries


def definition(plural: str, kind: str) -> dict[str, Any]:
    """A CRD as KubeRay has it: two served versions, and an annotation of its generator."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"served": True, "schema": anything, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.ray.io",
            "annotations": {"controller-gen.kubebuilder.io/version": "v0.16.5"},
        },
        "spec": {
            "group": "ray.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {"name": "v1", "storage": True, **version},
                {"name": "v1alpha1", "storage": False, **version},
            ],
        },
    }


def kuberay_chart(folder: Path) -> Path:
    """A chart with CRDs in `crds/`, which helm installs once and then leaves alone, as KubeRay's has them."""
    (folder / "crds").mkdir()
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: kuberay-operator\nversion: 1.5.1\n")
    for plural, kind in (("rayclusters", "RayCluster"), ("rayjobs", "RayJob")):
        (folder / "crds" / f"{plural}.yaml").write_text(yaml.safe_dump(definition(plural, kind)))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kuberay-operator"}}
    (folder / "templates" / "account.yaml").write_text(yaml.safe_dump(account))
    return folder


def _by_helm(plane: RunningControlPlane, folder: Path) -> None:
    HelmRelease(plane.kubeconfig, "kuberay", "kuberay").install(kuberay_chart(folder))


def _by_kubectl(*command: str) -> Callable[[RunningControlPlane, Path], None]:
    def install(plane: RunningControlPlane, folder: Path) -> None:
        kubectl(plane, *command, "--filename", str(kuberay_chart(folder) / "crds"))

    return install


def install_again(plane: RunningControlPlane, folder: Path) -> None:
    """KubeRay's CRDs over ours, as an upgrade of KubeRay asks for."""
    kubectl(plane, "apply", "--server-side", "--force-conflicts", "--filename", str(folder / "crds"))


def kubectl(plane: RunningControlPlane, *arguments: str) -> None:
    command = [str(binaries.path("kubectl")), f"--kubeconfig={plane.kubeconfig}", *arguments]
    subprocess.run(command, check=True, capture_output=True)


WAYS: dict[str, tuple[Callable[[RunningControlPlane, Path], None], tuple[str, ...]]] = {
    "helm install": (_by_helm, ("--take-ownership",)),
    "kubectl create": (_by_kubectl("create"), ("--take-ownership", "--force-conflicts")),
    "kubectl apply": (_by_kubectl("apply", "--server-side"), ("--take-ownership", "--force-conflicts")),
}
