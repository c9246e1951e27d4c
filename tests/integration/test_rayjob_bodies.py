"""What a RayJob creates, judged by a real API server: every field known, every value allowed."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.children import RAYCLUSTERS
from rayfleet.kinds.raycluster.manifests import head_service
from rayfleet.kinds.rayjob.actions import GroupPlace, SuspendGroups
from rayfleet.kinds.rayjob.manifests.cluster import child_cluster
from rayfleet.kinds.rayjob.manifests.head_service import job_head_service, pointed_at
from rayfleet.kinds.rayjob.manifests.submitter import Destination, submitter_job
from rayfleet.kube.objects.resources import JOBS, SERVICES, Resource
from support.cluster_api import ApiError, ClusterApi, Namespace
from support.manifest_samples import cluster, template
from support.rayjob_samples import cluster_spec, cluster_spec_of, rayjob, spec_of

SECURE = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def created(
    api: ClusterApi, namespace: Namespace, resource: Resource, body: dict[str, Any]
) -> dict[str, Any]:
    """The object as it was stored. Its owner is left out: nobody has created it."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "ownerReferences"}
    body = {**body, "metadata": {**metadata, "namespace": namespace.name}}
    return api.call("POST", resource.collection(namespace.name), body, fieldValidation="Strict")


@pytest.mark.parametrize(
    ("cluster_fields", "fields"),
    [
        pytest.param({}, {}, id="default"),
        pytest.param({"authOptions": {"mode": "token"}}, {}, id="token"),
        pytest.param({"authOptions": {"mode": "token", "enableK8sTokenAuth": True}}, {}, id="its own token"),
        pytest.param(
            {},
            {"submitterPodTemplate": {"spec": {"containers": [{"name": "mine"}]}}},
            id="own template",
        ),
        pytest.param(
            {},
            {
                "submitterPodTemplate": {
                    "spec": {
                        "restartPolicy": "OnFailure",
                        "containers": [{"name": "mine", "image": "x", "command": ["y"]}],
                    }
                }
            },
            id="own command",
        ),
    ],
)
def test_the_submitters_job_is_accepted(
    api: ClusterApi, namespace: Namespace, cluster_fields: dict[str, Any], fields: dict[str, Any]
) -> None:
    pod = {"securityContext": SECURE, "tolerations": [{"operator": "Exists"}]}
    of = cluster_spec_of(cluster_spec({"template": template(pod=pod)}, **cluster_fields))
    job = rayjob(**fields)
    body = submitter_job(job, spec_of(job), Destination(cluster(), of, "demo:8265"), "train-x7k2p")
    made = created(api, namespace, JOBS, body)
    assert made["spec"]["template"]["metadata"]["labels"]["ray.io/originated-from-cr-name"] == "train"


@pytest.mark.parametrize("mode", ["K8sJobMode", "SidecarMode"])
def test_the_cluster_is_accepted_and_its_groups_can_be_suspended(
    api: ClusterApi, namespace: Namespace, mode: str
) -> None:
    """Only in the cluster and in the groups that were looked at."""
    job = rayjob(submissionMode=mode)
    made = created(
        api, namespace, RAYCLUSTERS, child_cluster(job, spec_of(job), "train-abcde", "train-x7k2p")
    )
    path = RAYCLUSTERS.path(namespace.name, "train-abcde")

    def patched(uid: str, group: str) -> dict[str, Any]:
        verb = SuspendGroups("train-abcde", uid, (GroupPlace(0, group),), "its rule is due").verb
        same = {"op": "test", "path": "/metadata/uid", "value": verb.uid}
        kind = "application/json-patch+json"
        return api.call("PATCH", path, [same, *verb.operations], content_type=kind)

    uid = made["metadata"]["uid"]
    for wrong in (("another", "gpu"), (uid, "cpu")):
        with pytest.raises(ApiError, match="422"):
            patched(*wrong)
    assert patched(uid, "gpu")["spec"]["workerGroupSpecs"][0]["suspend"] is True


@pytest.mark.parametrize("service_type", ["ClusterIP", "NodePort"])
def test_the_service_is_accepted_next_to_the_clusters_own_and_can_be_moved(
    api: ClusterApi, namespace: Namespace, service_type: str
) -> None:
    """Also if the user has chosen the node's port."""
    ports = [{"name": "dashboard", "port": 80, "nodePort": 30080}] if service_type == "NodePort" else []
    given = {"headService": {"spec": {"type": service_type, "ports": ports}}}
    of, job = cluster_spec_of(cluster_spec(given)), rayjob()
    created(api, namespace, SERVICES, head_service(cluster("train-abcde"), of))
    made = created(api, namespace, SERVICES, job_head_service(job, cluster("train-abcde"), of))
    path, kind = SERVICES.path(namespace.name, "train-head-svc"), "application/merge-patch+json"
    changes = pointed_at(job, cluster("train-fghij"), of)
    moved = api.call("PATCH", path, changes, content_type=kind)
    assert moved["spec"]["selector"] == changes["spec"]["selector"]
    assert moved["spec"]["selector"]["ray.io/cluster"] == "train-fghij"
    assert moved["spec"].get("clusterIP") == made["spec"].get("clusterIP")
