"""A release from its installation to its end, on a real API server, after KubeRay and while a cluster runs.

The longest come last: an API server takes half a minute to know a new kind, and the others use that time.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.kube.informer.crd_age import trouble_with
from support.builders import group, raycluster
from support.chart import BEFORE, CHART, HelmRelease, chart_of_the_last_commit
from support.cluster_api import ApiError, ClusterApi, Namespace
from support.kuberay_install import WAYS, install_again
from support.operator_process import (
    RELEASE,
    REPOSITORY,
    OperatorProcess,
    service_account_kubeconfig,
    wait_for_owner_references,
)
from support.testbed import RunningControlPlane, running_control_plane
from support.waiting import eventually, throughout

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME = "rayclusters.ray.io"
CRD = f"{DEFINITIONS}/{NAME}"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{RELEASE}/deployments/{RELEASE}"
EARLIER: dict[str, Callable[[Path], Path]] = {
    "the release before": lambda _: BEFORE,
    "the last commit": chart_of_the_last_commit,
}
OWN = ("--health-port", "--metrics-port", "--scaling-config")
"""Flags of the Deployment that a process beside it sets for itself."""
KUBERAY_ONLY = {"replicas": 2, "minReplicas": 1, "scaleStrategy": {"workersToDelete": ["x"]}}
"""Fields of a group that KubeRay's users set."""
WRITTEN = ("labels", "annotations", "ownerReferences", "deletionTimestamp")


@pytest.fixture(scope="module")
def plane() -> Iterator[RunningControlPlane]:
    """A control plane where releases come and go."""
    with running_control_plane("-lifecycle", audit_log=False) as running:
        yield running


@pytest.fixture(scope="module")
def admin(plane: RunningControlPlane) -> Iterator[ClusterApi]:
    client = ClusterApi(plane.kubeconfig)
    yield client
    client.close()


def replica(admin: ClusterApi, folder: Path) -> OperatorProcess:
    """A running operator as the Deployment would start it: its flags, its account, no other rights."""
    pod = admin.call("GET", DEPLOYMENT)["spec"]["template"]["spec"]
    flags = [flag for flag in pod["containers"][0]["args"] if not flag.startswith(OWN)]
    flags = [flag.replace("$(POD_NAMESPACE)", RELEASE) for flag in flags]
    process = OperatorProcess(service_account_kubeconfig(admin, folder), folder, flags)
    process.start()
    return process


def state(namespace: Namespace) -> dict[str, object]:
    """Every object of the cluster by uid, with what the operator could write to it."""
    children = [*namespace.pods(), *namespace.services()]
    parts = {
        item["metadata"]["uid"]: [item["metadata"].get(part) for part in WRITTEN] + [item["spec"]]
        for item in children
    }
    return parts | {cluster["metadata"]["uid"]: None for cluster in namespace.clusters()}


def ready(namespace: Namespace, pods: int) -> dict[str, object]:
    """The cluster's objects, once it has so many pods and is ready."""

    def look() -> bool:
        namespace.make_ready()
        condition = namespace.condition("demo", "Ready")
        assert condition.get("status") == "True", condition
        return len(namespace.living_pods()) == pods

    eventually("the cluster to be ready", look, seconds=40)
    return state(namespace)


def scale(namespace: Namespace, replicas: int) -> None:
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=replicas)]})


def untouched(namespace: Namespace, before: dict[str, object]) -> None:
    """No pod or Service is replaced or changed."""
    throughout("that nothing is touched", lambda: state(namespace) == before, seconds=2)


def shape(crd: dict[str, Any]) -> object:
    """The part of a CRD that differs between releases."""
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].keys()


@pytest.mark.parametrize("way", WAYS)
def test_the_crd_of_kuberay_is_taken_over_and_its_clusters_stay(
    plane: RunningControlPlane, admin: ClusterApi, tmp_path: Path, way: str
) -> None:
    """However it was installed; and only if the administrator says so."""
    install, options = WAYS[way]
    install(plane, tmp_path)
    space = admin.namespace("default")
    cluster = raycluster()
    cluster["spec"]["workerGroupSpecs"][0] |= KUBERAY_ONLY
    before = eventually("KubeRay's CRD to be served", lambda: applied(space.apply, cluster), seconds=30)
    release = HelmRelease(plane.kubeconfig)
    assert "cannot be imported into the current release" in release.refusal()
    if "--force-conflicts" in options:
        assert ".spec.versions" in release.refusal(CHART, "--take-ownership")
        release.uninstall()

    release.install(CHART, *options)
    crd = admin.call("GET", CRD)
    assert [version["name"] for version in crd["spec"]["versions"] if version["served"]] == ["v1"]
    assert trouble_with(NAME, crd, CRD_REVISIONS[NAME]) is None
    assert owner(admin) == RELEASE
    now = space.cluster("demo")
    assert now["metadata"]["uid"] == before["metadata"]["uid"]
    assert KUBERAY_ONLY.items() <= now["spec"]["workerGroupSpecs"][0].items()

    if way == "kubectl apply":
        install_again(plane, tmp_path)
        assert "is not from rayfleet" in (trouble_with(NAME, admin.call("GET", CRD), 1) or "")
        release.upgrade(CHART, "--force-conflicts")
        assert trouble_with(NAME, admin.call("GET", CRD), CRD_REVISIONS[NAME]) is None

    if way == "helm install":
        HelmRelease(plane.kubeconfig, "kuberay", "kuberay").uninstall()
    assert admin.exists(f"{DEFINITIONS}/rayjobs.ray.io"), "what is KubeRay's alone is left to it"
    assert space.cluster("demo")["metadata"]["uid"] == before["metadata"]["uid"]
    release.uninstall()
    assert space.cluster("demo")["metadata"]["uid"] == before["metadata"]["uid"]

    remove(admin, NAME, "rayjobs.ray.io")


def applied(apply: Callable[[Any], dict[str, Any]], cluster: dict[str, Any]) -> dict[str, Any] | None:
    """The cluster as it is stored; None while its kind is not served."""
    try:
        return apply(cluster)
    except (ApiError, ValueError):
        return None


def test_an_upgrade_to_the_same_starts_no_pod_again(plane: RunningControlPlane, admin: ClusterApi) -> None:
    """The Deployment's template is the same, byte for byte."""
    release = HelmRelease(plane.kubeconfig)
    release.install()
    try:
        before = admin.call("GET", DEPLOYMENT)["metadata"]["generation"]
        release.upgrade(CHART, "--reset-values")
        assert admin.call("GET", DEPLOYMENT)["metadata"]["generation"] == before
    finally:
        release.uninstall()


def test_a_crd_that_is_to_be_managed_elsewhere_stays(plane: RunningControlPlane, admin: ClusterApi) -> None:
    """Switching `crds.enabled` off takes it out of the release, not out of the cluster."""
    release = HelmRelease(plane.kubeconfig)
    release.install()
    try:
        uid = admin.call("GET", CRD)["metadata"]["uid"]
        release.upgrade(CHART, "--set=crds.enabled=false")
        assert admin.call("GET", CRD)["metadata"]["uid"] == uid
    finally:
        release.uninstall()
    assert admin.call("GET", CRD)["metadata"]["uid"] == uid


def test_a_second_release_leaves_the_crd_to_the_first(plane: RunningControlPlane, admin: ClusterApi) -> None:
    """Two operators for different namespaces; the second says so, or is refused."""
    first, second = HelmRelease(plane.kubeconfig), HelmRelease(plane.kubeconfig, "other", "other")
    admin.create_namespace("team-a")
    admin.create_namespace("team-b")
    first.install(CHART, "--set=watchNamespaces={team-a}")
    try:
        assert "rayclusters.ray.io" in second.refusal(CHART, "--set=watchNamespaces={team-b}")
        second.install(CHART, "--set=watchNamespaces={team-b}", "--set=crds.enabled=false")
        assert owner(admin) == RELEASE
        first.upgrade(CHART, "--reuse-values", "--set=crds.enabled=false")
        second.upgrade(CHART, "--reuse-values", "--set=crds.enabled=true", "--take-ownership")
        assert owner(admin) == "other", "it can be moved"
        second.uninstall()
    finally:
        first.uninstall()
    assert admin.exists(CRD)
    remove(admin, NAME)


def remove(admin: ClusterApi, *definitions: str) -> None:
    """Remove CRDs, as an administrator does who wants to be rid of their objects."""
    paths = [f"{DEFINITIONS}/{name}" for name in definitions]
    for path in paths:
        admin.call("DELETE", path)
    eventually("the CRDs to be gone", lambda: not any(map(admin.exists, paths)), seconds=30)


def owner(admin: ClusterApi) -> str:
    """The release that the CRD belongs to."""
    return str(admin.call("GET", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"])


@pytest.mark.timeout(300)  # On a busy machine; 25 s otherwise.
@pytest.mark.parametrize("earlier", EARLIER)
def test_a_cluster_runs_on_untouched_from_the_first_release_to_the_last(
    plane: RunningControlPlane, admin: ClusterApi, tmp_path: Path, earlier: str
) -> None:
    """Installed, upgraded, rolled back, uninstalled, installed again: the same pods, and it still scales."""
    release = HelmRelease(plane.kubeconfig)
    release.install(EARLIER[earlier](tmp_path))
    eventually("the CRD to be served", lambda: admin.exists(CRD), seconds=30)
    wait_for_owner_references(admin)
    name = earlier.replace(" ", "-")
    admin.create_namespace(name)
    space = admin.namespace(name)
    operator = replica(admin, tmp_path)
    try:
        space.apply(raycluster())
        before = ready(space, 4)
        old = shape(admin.call("GET", CRD))

        release.upgrade(CHART, "--reuse-values")
        operator.stop()
        new = shape(admin.call("GET", CRD))
        manifest = (REPOSITORY / "crds" / "ray.io_rayclusters.yaml").read_text()
        assert new == shape(yaml.load(manifest, yaml.CSafeLoader))
        operator = replica(admin, tmp_path)
        untouched(space, before)
        scale(space, 4)
        before = ready(space, 5)

        release.rollback(1)
        operator.stop()
        assert shape(admin.call("GET", CRD)) == old
        operator = replica(admin, tmp_path)
        untouched(space, before)

        said = release.uninstall()
        operator.kill()
        assert "rayclusters.ray.io" in said, "helm says what it keeps"
        assert not admin.exists(DEPLOYMENT)
        assert admin.exists(CRD)
        untouched(space, before)

        release.install()
        operator = replica(admin, tmp_path)
        untouched(space, before)
        scale(space, 5)
        assert before.items() <= ready(space, 6).items()
    finally:
        operator.kill()
        release.uninstall()
