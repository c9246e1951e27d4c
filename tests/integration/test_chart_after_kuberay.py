"""The chart where KubeRay is installed: its CRD becomes ours, and its clusters stay as they are."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.kube.informer.crd_age import trouble_with
from support.builders import raycluster
from support.chart import CHART, HelmRelease
from support.cluster_api import ApiError, ClusterApi
from support.operator_process import RELEASE, REPOSITORY
from support.testbed import RunningControlPlane, running_control_plane
from support.waiting import eventually
from testbed import binaries

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME = "rayclusters.ray.io"
CRD = f"{DEFINITIONS}/{NAME}"
KUBERAY_ONLY = {"replicas": 2, "minReplicas": 1, "scaleStrategy": {"workersToDelete": ["x"]}}
"""Fields of a group that its users set."""


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


def by_helm(plane: RunningControlPlane, folder: Path) -> None:
    HelmRelease(plane.kubeconfig, "kuberay", "kuberay").install(kuberay_chart(folder))


def by_kubectl(*command: str) -> Callable[[RunningControlPlane, Path], None]:
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
    "helm install": (by_helm, ("--take-ownership",)),
    "kubectl create": (by_kubectl("create"), ("--take-ownership", "--force-conflicts")),
    "kubectl apply": (by_kubectl("apply", "--server-side"), ("--take-ownership", "--force-conflicts")),
}


@pytest.fixture
def plane() -> Iterator[RunningControlPlane]:
    """A control plane without any CRD."""
    with running_control_plane("-kuberay", audit_log=False) as running:
        yield running


def test_the_crd_of_kuberay_is_taken_over_and_its_clusters_stay(
    plane: RunningControlPlane, tmp_path: Path
) -> None:
    """However it was installed; and only if the administrator says so."""
    admin = ClusterApi(plane.kubeconfig)
    try:
        for number, way in enumerate(WAYS):
            folder = tmp_path / str(number)
            folder.mkdir()
            taken_over(plane, admin, folder, way)
    finally:
        admin.close()


def taken_over(plane: RunningControlPlane, admin: ClusterApi, folder: Path, way: str) -> None:
    install, options = WAYS[way]
    install(plane, folder)
    space = admin.namespace("default")
    cluster = raycluster()
    cluster["spec"]["workerGroupSpecs"][0] |= KUBERAY_ONLY
    before = eventually("KubeRay's CRD to be served", lambda: applied(space.apply, cluster), seconds=30)
    release = HelmRelease(plane.kubeconfig)
    assert "cannot be imported into the current release" in release.refusal(), way
    if "--force-conflicts" in options:
        assert ".spec.versions" in release.refusal(CHART, "--take-ownership"), way
        release.uninstall()

    release.install(CHART, *options)
    crd = admin.call("GET", CRD)
    manifest = yaml.load((REPOSITORY / "crds/ray.io_rayclusters.yaml").read_text(), yaml.CSafeLoader)
    names = [version["name"] for version in crd["spec"]["versions"] if version["served"]]
    assert names == ["v1"]
    assert shape(crd) == shape(manifest)
    assert crd["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE
    now = space.cluster("demo")
    assert now["metadata"]["uid"] == before["metadata"]["uid"]
    assert KUBERAY_ONLY.items() <= now["spec"]["workerGroupSpecs"][0].items()

    if way == "kubectl apply":
        install_again(plane, folder)
        assert "is not from rayfleet" in (trouble_with(NAME, admin.call("GET", CRD), 1) or "")
        release.upgrade(CHART, "--force-conflicts")
        assert trouble_with(NAME, admin.call("GET", CRD), CRD_REVISIONS[NAME]) is None

    if install is by_helm:
        HelmRelease(plane.kubeconfig, "kuberay", "kuberay").uninstall()
    assert admin.exists(f"{DEFINITIONS}/rayjobs.ray.io"), "what is KubeRay's alone is left to it"
    assert space.cluster("demo")["metadata"]["uid"] == before["metadata"]["uid"]
    release.uninstall()
    assert space.cluster("demo")["metadata"]["uid"] == before["metadata"]["uid"]

    for plural in ("rayclusters", "rayjobs"):
        admin.call("DELETE", f"{DEFINITIONS}/{plural}.ray.io")
    eventually("the CRDs to be gone", lambda: not admin.exists(CRD), seconds=30)


def applied(apply: Callable[[Any], dict[str, Any]], cluster: dict[str, Any]) -> dict[str, Any] | None:
    """The cluster as it is stored; None while its kind is not served."""
    try:
        return apply(cluster)
    except (ApiError, ValueError):
        return None


def shape(crd: dict[str, Any]) -> object:
    version = crd["spec"]["versions"][0]
    return version["additionalPrinterColumns"], version["schema"]["openAPIV3Schema"]["properties"]["spec"]
