"""The renderings of sets of values: as recorded, and strictly validated by a real API server."""

from collections.abc import Iterator
from functools import partial

import pytest
import yaml

from chart_renders.cli import outdated
from chart_renders.renders import NAMESPACE, render, value_sets
from support.chart import Object
from support.cluster_api import ApiError, ClusterApi
from support.monitoring_crds import monitoring_crds
from support.testbed import RunningControlPlane
from support.waiting import eventually

STRICT = {"dryRun": "All", "fieldValidation": "Strict"}
OTHERS = ("team-a", "team-b", "kuberay", "monitoring")
"""Namespaces that the values name."""
COLLECTIONS = {
    "PodDisruptionBudget": "poddisruptionbudgets",
    "NetworkPolicy": "networkpolicies",
    "ResourceQuota": "resourcequotas",
}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def admin(installed: RunningControlPlane) -> Iterator[ClusterApi]:
    """A client where Pod Security `restricted` holds in the release's namespace."""
    client = ClusterApi(installed.kubeconfig)
    for name in (NAMESPACE, *OTHERS):
        client.create_namespace(name)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"metadata": {"labels": labels}}
    client.call("PATCH", f"/api/v1/namespaces/{NAMESPACE}", body, content_type="application/merge-patch+json")
    for crd in monitoring_crds():
        client.call("POST", DEFINITIONS, crd)
        plural = crd["spec"]["names"]["plural"]
        path = f"/apis/monitoring.coreos.com/v1/namespaces/{NAMESPACE}/{plural}"
        eventually(f"{plural} to be served", partial(served, client, path), seconds=30)
    yield client
    client.close()


def served(client: ClusterApi, path: str) -> bool:
    try:
        return client.exists(path)
    except (ApiError, ValueError):
        return False  # A group that is not served yet is a plain text page.


def rendered(name: str) -> list[Object]:
    return [item for item in yaml.safe_load_all(render(name)) if item]


def path_of(item: Object) -> str:
    """The path at which an object is created."""
    group, _, version = item["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    plural = COLLECTIONS.get(item["kind"], f"{item['kind'].lower()}s")
    where = "" if item["kind"] in CLUSTER_WIDE else f"/namespaces/{item['metadata']['namespace']}"
    return f"{root}{where}/{plural}"


def dry_run(admin: ClusterApi, item: Object) -> Object:
    """What the API server would store. The name is changed, because it need not be free."""
    metadata = {**item["metadata"], "name": f"{item['metadata']['name']}-dry"}
    return admin.call("POST", path_of(item), {**item, "metadata": metadata}, **STRICT)


def pod_of(deployment: Object) -> Object:
    """The pod that a Deployment's controller would create, with an existing account."""
    template = deployment["spec"]["template"]
    metadata = {**template["metadata"], "name": "pod", "namespace": NAMESPACE}
    spec = {**template["spec"], "serviceAccountName": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_the_renderings_are_those_recorded() -> None:
    """`make chart-renders` records an intended change, for review."""
    assert outdated() == []


@pytest.mark.parametrize("name", value_sets())
def test_the_api_server_accepts_every_object_and_knows_every_field(admin: ClusterApi, name: str) -> None:
    """A pod of the Deployment is also admitted where Pod Security `restricted` is enforced."""
    for item in rendered(name):
        stored = dry_run(admin, item)
        assert stored["kind"] == item["kind"]
        if item["kind"] == "Deployment":
            dry_run(admin, pod_of(item))


class TestTeeth:
    """The checks above notice faults."""

    def test_an_unknown_field_of_a_rendered_object_is_named(self, admin: ClusterApi) -> None:
        (deployment,) = (item for item in rendered("extras") if item["kind"] == "Deployment")
        deployment["spec"]["template"]["spec"]["volumes"][0]["emptydir"] = {}
        with pytest.raises(ApiError, match="emptydir"):
            dry_run(admin, deployment)

    def test_an_unknown_field_of_a_monitor_is_named(self, admin: ClusterApi) -> None:
        (monitor,) = (item for item in rendered("prometheus-operator") if item["kind"] == "PodMonitor")
        monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "1s"
        with pytest.raises(ApiError, match="intervall"):
            dry_run(admin, monitor)

    def test_a_pod_that_could_do_more_is_refused(self, admin: ClusterApi) -> None:
        (deployment,) = (item for item in rendered("default") if item["kind"] == "Deployment")
        pod = pod_of(deployment)
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        with pytest.raises(ApiError, match='violates PodSecurity "restricted'):
            dry_run(admin, pod)
