"""A release from its installation to its end, on a real API server, while a cluster runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.builders import group, raycluster
from support.chart import BEFORE, CHART, HelmRelease, chart_of_the_last_commit
from support.cluster_api import ClusterApi, Namespace
from support.operator_process import (
    RELEASE,
    REPOSITORY,
    OperatorProcess,
    service_account_kubeconfig,
    wait_for_owner_references,
)
from support.testbed import RunningControlPlane, running_control_plane
from support.waiting import eventually, throughout

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rayclusters.ray.io"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{RELEASE}/deployments/{RELEASE}"
EARLIER: dict[str, Callable[[Path], Path]] = {
    "the release before": lambda _: BEFORE,
    "the last commit": chart_of_the_last_commit,
}
OWN = ("--health-port", "--metrics-port", "--scaling-config")
"""Flags of the Deployment that a process beside it sets for itself."""
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


@pytest.mark.timeout(180)
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


def owner(admin: ClusterApi) -> str:
    """The release that the CRD belongs to."""
    return str(admin.call("GET", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"])
