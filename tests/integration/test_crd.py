"""The CRD on a real API server: what it accepts, refuses and keeps."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crds.cli import KUBERNETES_TYPES, ROOT
from crds.kubernetes_types import KubernetesTypes
from crds.live_types import live_types
from support.cluster_api import ClusterApi
from support.crd_plane import client_once_served, fresh_name, kubectl, refusal
from support.odd_templates import OddTemplates
from support.template_fuzz import TemplateFuzz
from support.testbed import RunningControlPlane, running_control_plane

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rayclusters.ray.io"
CLUSTERS = "/apis/ray.io/v1/namespaces/default/rayclusters"
TEMPLATE: dict[str, Any] = {"spec": {"containers": [{"name": "ray", "image": "example.org/ray:2.60.0"}]}}
GPU: dict[str, Any] = {"groupName": "gpu", "template": TEMPLATE}
FUZZ_SECONDS = 8


@pytest.fixture(scope="module")
def plane() -> Iterator[RunningControlPlane]:
    """A control plane where the CRD comes from `kubectl apply`, not from the chart."""
    with running_control_plane("-crd", audit_log=False) as running:
        yield running


@pytest.fixture(scope="module")
def api(plane: RunningControlPlane) -> Iterator[ClusterApi]:
    """An admin's client, once the CRD is served."""
    kubectl(plane, "apply", "-f", str(ROOT / "crds"))
    client = client_once_served(plane, CLUSTERS)
    yield client
    client.close()


def cluster(name: str = "dry", /, **fields: object) -> dict[str, Any]:
    spec = {"headGroupSpec": {"template": TEMPLATE}, **fields}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name}, "spec": spec}


def stored(api: ClusterApi, **fields: object) -> dict[str, Any]:
    """A stored cluster."""
    return api.call("POST", CLUSTERS, cluster(fresh_name(), **fields))


def dry_run(api: ClusterApi, **fields: object) -> dict[str, Any]:
    """The spec that the API server would store."""
    return dict(api.call("POST", CLUSTERS, cluster(**fields), dryRun="All")["spec"])


def change(api: ClusterApi, name: str, spec: object) -> dict[str, Any]:
    return api.call(
        "PATCH", f"{CLUSTERS}/{name}", {"spec": spec}, content_type="application/merge-patch+json"
    )


def test_plain_kubectl_apply_installs_and_updates_it(plane: RunningControlPlane, api: ClusterApi) -> None:
    """People type it: no server-side apply, no `create` or `replace`."""
    assert "unchanged" in kubectl(plane, "apply", "-f", str(ROOT / "crds"))
    conditions = {c["type"]: c["status"] for c in api.call("GET", CRD_PATH)["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_v1alpha1_is_listed_and_not_served(api: ClusterApi) -> None:
    """It has been deprecated for years; nobody should start with it."""
    assert [v["name"] for v in api.call("GET", CRD_PATH)["spec"]["versions"]] == ["v1", "v1alpha1"]
    assert [v["version"] for v in api.call("GET", "/apis/ray.io")["versions"]] == ["v1"]


def test_kubernetes_types_are_those_of_this_kubernetes(plane: RunningControlPlane) -> None:
    """The committed types are those of the API server; a new Kubernetes needs a refresh."""
    assert live_types(plane.kubeconfig) == KubernetesTypes.load(KUBERNETES_TYPES)


class TestDefaults:
    def test_a_group_is_completed(self, api: ClusterApi) -> None:
        """The API server fills in fields that Ray's autoscaler, Kueue and others read from the object."""
        (group,) = dry_run(api, workerGroupSpecs=[GPU])["workerGroupSpecs"]
        assert group == {
            **GPU,
            "replicas": 0,
            "minReplicas": 0,
            "maxReplicas": 2147483647,
            "numOfHosts": 1,
            "priority": 0,
        }

    def test_a_cluster_that_asks_for_nothing_is_stored_as_written(self, api: ClusterApi) -> None:
        """So that GitOps tools see no drift."""
        assert dry_run(api) == cluster()["spec"]

    def test_null_is_replaced_by_the_default(self, api: ClusterApi) -> None:
        """Go programs write null for what is not set."""
        group = {**GPU, "minReplicas": None, "maxReplicas": None, "idleTimeoutSeconds": None}
        (group,) = dry_run(api, workerGroupSpecs=[group])["workerGroupSpecs"]
        assert (group["minReplicas"], group["maxReplicas"]) == (0, 2147483647)
        assert "idleTimeoutSeconds" not in group


class TestImmutable:
    def test_the_manager_of_a_cluster_cannot_be_changed(self, api: ClusterApi) -> None:
        """Two controllers would work on it in turns."""
        name = stored(api, managedBy="kueue.x-k8s.io/multikueue")["metadata"]["name"]
        words = refusal(lambda: change(api, name, {"managedBy": "rayfleet.io/operator"}))
        assert "managedBy is immutable: create a new cluster instead." in words

    def test_a_cluster_without_a_manager_may_get_one(self, api: ClusterApi) -> None:
        """How a running cluster moves from another operator to this one."""
        name = stored(api)["metadata"]["name"]
        assert change(api, name, {"managedBy": "rayfleet.io/operator"})["spec"]["managedBy"]

    def test_an_unknown_manager_is_refused(self, api: ClusterApi) -> None:
        """No controller would act on the cluster."""
        assert "managedBy must be one of" in refusal(lambda: dry_run(api, managedBy="me"))

    def test_the_store_of_the_heads_state_cannot_be_changed(self, api: ClusterApi) -> None:
        """A new head would find nothing in another one."""
        name = stored(api, gcsFaultToleranceOptions={"backend": "rocksdb"})["metadata"]["name"]
        words = refusal(lambda: change(api, name, {"gcsFaultToleranceOptions": {"backend": "redis"}}))
        assert "backend is immutable" in words


UNKNOWN: dict[str, Any] = {"ofTomorrow": {"a": [1, {"b": True}], "c": "d"}}


def test_no_unknown_field_is_lost(api: ClusterApi) -> None:
    """At any level, a manifest for a later version keeps the fields that this version does not know."""
    container = {"name": "ray", "image": "i", "resources": {"limits": {"cpu": 2}, **UNKNOWN}, **UNKNOWN}
    pod = {"containers": [container], "affinity": {"nodeAffinity": dict(UNKNOWN), **UNKNOWN}, **UNKNOWN}
    template = {"metadata": {"labels": {"a": "b"}, **UNKNOWN}, "spec": pod, **UNKNOWN}
    fields = {
        "headGroupSpec": {"template": template, **UNKNOWN},
        "autoscalerOptions": {
            "target": "Status",
            "failInfeasibleTasks": False,
            "behavior": dict(UNKNOWN),
            **UNKNOWN,
        },
        "networkPolicy": {"mode": "DenyAll", "head": {"ingressRules": [dict(UNKNOWN)], **UNKNOWN}},
        **UNKNOWN,
    }
    assert dry_run(api, **fields) == fields


def test_unknown_fields_of_the_status_are_kept(api: ClusterApi) -> None:
    """This version does not drop what another version of the operator has stored there."""
    name = stored(api)["metadata"]["name"]
    group = {"groupName": "gpu", "lastIndex": 7, **UNKNOWN}
    status = {"headEpoch": 2, "workerGroups": [group], "desiredCPU": "1500m", **UNKNOWN}
    body = {"status": status}
    answer = api.call("PATCH", f"{CLUSTERS}/{name}/status", body, content_type="application/merge-patch+json")
    assert answer["status"] == status


def test_the_status_is_a_subresource(api: ClusterApi) -> None:
    """A user who applies a manifest with a status does not overwrite what the operator remembers."""
    body = {**cluster(fresh_name()), "status": {"state": "ready"}}
    assert "status" not in api.call("POST", CLUSTERS, body)


def test_columns_show_the_current_state(plane: RunningControlPlane, api: ClusterApi) -> None:
    """`status` stays ready from the first full start on; `ready` does not."""
    name = stored(api)["metadata"]["name"]
    condition = {"type": "Ready", "status": "False", "reason": "PodsNotReady", "message": "head pod is gone"}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    status = {"state": "ready", "desiredWorkerReplicas": 3, "conditions": [condition], "desiredGPU": "8"}
    path = f"{CLUSTERS}/{name}/status"
    api.call("PATCH", path, {"status": status}, content_type="application/merge-patch+json")

    header, row = kubectl(plane, "get", "raycluster", name).splitlines()

    columns = [
        "NAME",
        "DESIRED WORKERS",
        "AVAILABLE WORKERS",
        "CPUS",
        "MEMORY",
        "GPUS",
        "STATUS",
        "READY",
        "AGE",
    ]
    assert header.split("   ") == columns or header.split() == " ".join(columns).split()
    assert row.split()[:5] == [name, "3", "8", "ready", "False"]


def container(**fields: object) -> dict[str, Any]:
    return {"headGroupSpec": {"template": {"spec": {"containers": [{"name": "ray", **fields}]}}}}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"headGroupSpec": {}}, "spec.headGroupSpec.template"),
        ({"workerGroupSpecs": [{"template": TEMPLATE}]}, "spec.workerGroupSpecs[0].groupName"),
        ({"workerGroupSpecs": [GPU, GPU]}, "spec.workerGroupSpecs[1]"),
        ({"workerGroupSpecs": [{**GPU, "replicas": "2"}]}, "spec.workerGroupSpecs[0].replicas"),
        ({"workerGroupSpecs": [{**GPU, "minReplicas": -1}]}, "spec.workerGroupSpecs[0].minReplicas"),
        ({"workerGroupSpecs": [{**GPU, "maxReplicas": 2**31}]}, "spec.workerGroupSpecs[0].maxReplicas"),
        ({"workerGroupSpecs": [{**GPU, "rayStartParams": {"num-cpus": 1}}]}, "rayStartParams.num-cpus"),
        ({"upgradeStrategy": {"type": "Now"}}, "spec.upgradeStrategy.type"),
        ({"drainOptions": {"voluntarySeconds": -1}}, "spec.drainOptions.voluntarySeconds"),
        (container(securityContext={"runAsUser": "x"}), "containers[0].securityContext.runAsUser"),
        (container(resources={"limits": {"cpu": "two"}}), "containers[0].resources.limits.cpu"),
        (container(ports=[{"containerPort": "6379"}]), "containers[0].ports[0].containerPort"),
        (container(livenessProbe={"httpGet": {"port": 2**31}}), "containers[0].livenessProbe.httpGet.port"),
        (
            {"headGroupSpec": {"template": TEMPLATE, "headService": {"spec": {"ports": {}}}}},
            "headService.spec.ports",
        ),
        ({"autoscalerOptions": {"env": [{"value": "x"}]}}, "spec.autoscalerOptions.env[0].name"),
        (
            {"networkPolicy": {"head": {"ingressRules": [{"from": "x"}]}}},
            "networkPolicy.head.ingressRules[0].from",
        ),
    ],
)
def test_a_wrong_type_is_refused_with_its_path(api: ClusterApi, fields: dict[str, Any], path: str) -> None:
    """The user who applies it sees the error at once."""
    assert path in refusal(lambda: dry_run(api, **fields))


def test_pods_of_every_accepted_cluster_can_be_parsed(api: ClusterApi) -> None:
    """Never 400 'cannot be handled as a Pod': every Go client's list would break on such a cluster."""
    templates = OddTemplates(KubernetesTypes.load(KUBERNETES_TYPES).schema("PodTemplateSpec"))
    places, fuzz, deadline = templates.places(), TemplateFuzz(api), time.monotonic() + FUZZ_SECONDS

    def run(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - odd values, not secrets
        while time.monotonic() < deadline:
            fuzz.judge(templates.random(rng, places))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))

    # Both outcomes occurred, or the search has missed what matters.
    said = {kind: fuzz.outcomes[kind] for kind in ("cluster refused", "pod taken", "pod refused")}
    assert min(said.values()) > 100, said
