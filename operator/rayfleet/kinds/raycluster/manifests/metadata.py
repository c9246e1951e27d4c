"""Labels, annotations and owner of a cluster's objects."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from rayfleet.api.names import API_VERSION, HEAD_GROUP, HEAD_SELECTOR, Annotation, Label, NodeType
from rayfleet.kinds.raycluster.manifests.pod_template import Json, mapping, texts
from rayfleet.kube.objects.roots import Root

# The values that KubeRay writes: dashboards, network policies and `kubectl ray` select by them.
_APP_NAME: Final = "kuberay"
_CREATED_BY: Final = "kuberay-operator"

_LONGEST_LABEL: Final = 63
_BEFORE_A_LABEL: Final = re.compile(r"^[^a-zA-Z0-9]+")
_HASH_LENGTH: Final = 16


def pod_labels(
    cluster: Root, node_type: str, group: str, template: Mapping[str, Any], group_labels: Mapping[str, str]
) -> dict[str, str]:
    """Labels of a pod. The user's win, except those that identify its cluster, group and node type."""
    identifier = f"{cluster.key.name}-{node_type}"[-_LONGEST_LABEL:]
    return {
        Label.IS_RAY_NODE: "yes",
        Label.IDENTIFIER: _BEFORE_A_LABEL.sub("", identifier),
        Label.APP_NAME: _APP_NAME,
        Label.CREATED_BY: _CREATED_BY,
        **_serve_label(cluster, node_type),
        **texts(mapping(template.get("metadata")).get("labels")),
        **group_labels,
        Label.CLUSTER: cluster.key.name,
        Label.NODE_TYPE: node_type,
        Label.GROUP: group,
    }


def serves(cluster: Root) -> bool:
    """Whether the cluster belongs to a RayService."""
    return cluster.labels.get(Label.ORIGINATED_FROM_CRD) == "RayService"


def _serve_label(cluster: Root, node_type: str) -> dict[str, str]:
    """A worker takes requests as soon as it is ready; a head once its proxy is known to be healthy."""
    return {Label.SERVE: str(node_type == NodeType.WORKER).lower()} if serves(cluster) else {}


def head_selector(
    cluster: Root, template: Mapping[str, Any], group_labels: Mapping[str, str]
) -> dict[str, str]:
    """The head Service's selector: the head pod's own labels, including the user's values for them."""
    labels = pod_labels(cluster, NodeType.HEAD, HEAD_GROUP, template, group_labels)
    return {key: labels[key] for key in HEAD_SELECTOR}


def pod_annotations(cluster: Root, template: Mapping[str, Any]) -> dict[str, str]:
    """Annotations of a pod, without those that differ between the pods of a group."""
    annotations = texts(mapping(template.get("metadata")).get("annotations"))
    overwrite = cluster.annotations.get(Annotation.OVERWRITE_COMMAND)
    # The cluster can switch it on for all its pods; otherwise the template decides.
    if overwrite is not None and (is_on(overwrite) or Annotation.OVERWRITE_COMMAND not in annotations):
        annotations[Annotation.OVERWRITE_COMMAND] = overwrite
    return annotations


def is_on(switch: str) -> bool:
    """Whether an annotation switches something on."""
    return switch.lower() == "true"


def owner_reference(owner: Root) -> Json:
    """Makes `owner` the object's owner: the object is deleted with it."""
    return {
        "apiVersion": API_VERSION,
        "kind": owner.key.kind,
        "name": owner.key.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def template_hash(body: Mapping[str, Any]) -> str:
    """Equal for two bodies if and only if they are equal as JSON, whatever the order of their keys."""
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:_HASH_LENGTH]
