"""The Service of a RayJob: the same name in every attempt, the head of the present one behind it."""

from typing import Any

from rayfleet.kinds.raycluster.manifests import head_service
from rayfleet.kinds.rayjob.manifests.head_service import job_head_service, pointed_at
from rayfleet.kube.objects.keys import Owner
from rayfleet.kube.objects.services import service_from_object
from support.manifest_samples import cluster
from support.passes import passes
from support.rayjob_samples import UID, cluster_spec, cluster_spec_of, rayjob

CLUSTER = cluster("train-abcde")


def built(**head: Any) -> dict[str, Any]:
    return job_head_service(rayjob(), CLUSTER, cluster_spec_of(cluster_spec(head)))


def test_the_service_is_like_the_clusters_own_under_the_jobs_name() -> None:
    of = cluster_spec_of(cluster_spec(headServiceAnnotations={"a": "b"}))
    service = job_head_service(rayjob(), CLUSTER, of)
    assert service["spec"] == head_service(CLUSTER, of)["spec"]
    assert service["metadata"] == {
        "name": "train-head-svc",
        "namespace": "team-a",
        "labels": {
            "ray.io/originated-from-cr-name": "train",
            "ray.io/originated-from-crd": "RayJob",
            "ray.io/node-type": "head",
            "ray.io/identifier": "train-head",
            "ray.io/cluster": "train-abcde",
        },
        "annotations": {"a": "b"},
        "ownerReferences": [
            {
                "apiVersion": "ray.io/v1",
                "kind": "RayJob",
                "name": "train",
                "uid": UID,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    assert service["spec"]["selector"]["ray.io/cluster"] == "train-abcde"


def test_it_demands_no_address_and_no_port_that_the_clusters_own_has() -> None:
    """Kubernetes would refuse the second Service of the two."""
    given = {
        "type": "LoadBalancer",
        "clusterIP": "10.0.0.7",
        "clusterIPs": ["10.0.0.7"],
        "loadBalancerIP": "192.0.2.7",
        "sessionAffinity": "ClientIP",
        "ports": [{"name": "dashboard", "port": 80, "nodePort": 30080}],
    }
    spec = built(headService={"spec": given})["spec"]
    assert (spec["type"], spec["sessionAffinity"]) == ("LoadBalancer", "ClientIP")
    assert not {"clusterIP", "clusterIPs", "loadBalancerIP"} & spec.keys()
    assert all("nodePort" not in port for port in spec["ports"])
    assert {"name": "dashboard", "port": 80, "targetPort": 8265, "appProtocol": "tcp"} in spec["ports"]


def test_a_headless_one_stays_headless() -> None:
    assert built()["spec"]["clusterIP"] == "None"


def test_the_next_attempts_cluster_takes_its_place() -> None:
    """Its address stays; what selects the head, and the label by which it is watched, change."""
    later = cluster("train-fghij")
    changes = pointed_at(rayjob(), later, cluster_spec_of(cluster_spec()))
    assert changes.keys() == {"metadata", "spec"}
    assert changes["metadata"]["labels"]["ray.io/cluster"] == "train-fghij"
    assert changes["spec"].keys() == {"selector", "ports"}
    assert changes["spec"]["selector"]["ray.io/cluster"] == "train-fghij"


async def test_the_kind_raycluster_does_not_take_it_for_one_of_its_own() -> None:
    """It has the cluster's label, but another controller; the cluster's own Service is still created."""
    async with passes() as bed:
        bed.stored()
        body = job_head_service(rayjob(), bed.cluster, cluster_spec_of(bed.cluster.spec))
        own = {"uid": "s", "resourceVersion": "5", "namespace": "ml", "name": "demo-head-svc"}
        service = service_from_object({**body, "metadata": {**body["metadata"], **own}})
        assert service.owner == Owner("RayJob", "train", UID)
        bed.services.apply(service)
        await bed.reconciler.reconcile(bed.cluster.key)
        assert [line for line in bed.api.writes if "services" in line] == [
            "POST /api/v1/namespaces/ml/services"
        ]
