"""The Service under which the head of the present attempt is found, although its cluster's name changes."""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.api.names import Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.kinds.raycluster.manifests.metadata import owner_reference
from rayfleet.kinds.raycluster.manifests.pod_template import Json
from rayfleet.kinds.raycluster.manifests.services import head_service
from rayfleet.kinds.rayjob.manifests.metadata import origin_labels
from rayfleet.kinds.rayjob.manifests.names import service_name
from rayfleet.kube.objects.roots import Root

_LONGEST_LABEL: Final = 63
_OF_ONE: Final = frozenset({"clusterIPs", "loadBalancerIP", "healthCheckNodePort"})
"""Fields that no two Services may share, besides ports of nodes: the cluster's own has them."""


def job_head_service(job: Root, cluster: Root, spec: RayClusterSpec) -> Json:
    """The Service for the head of `cluster`, with the spec of the cluster's own head Service."""
    like = head_service(cluster, spec)
    name = service_name(job)
    return {
        **like,
        "metadata": {
            "name": name,
            "namespace": job.key.namespace,
            "labels": {
                **origin_labels(job),
                Label.NODE_TYPE: NodeType.HEAD,
                Label.IDENTIFIER: f"{job.key.name}-head"[:_LONGEST_LABEL],
                Label.CLUSTER: cluster.key.name,
            },
            "annotations": like["metadata"]["annotations"],
            "ownerReferences": [owner_reference(job)],
        },
        "spec": _shared(like["spec"]),
    }


def pointed_at(job: Root, cluster: Root, spec: RayClusterSpec) -> Json:
    """The changes that make the existing Service lead to the head of `cluster`."""
    service = job_head_service(job, cluster, spec)
    return {
        "metadata": {"labels": service["metadata"]["labels"]},
        "spec": {field: service["spec"][field] for field in ("selector", "ports")},
    }


def _shared(spec: Mapping[str, Any]) -> Json:
    kept = {field: value for field, value in spec.items() if field not in _OF_ONE}
    if kept.get("clusterIP") != "None":
        kept.pop("clusterIP", None)
    ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in kept["ports"]]
    return {**kept, "ports": ports}
