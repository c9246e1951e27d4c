"""What head and worker pods have in common."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from rayfleet.api.names import Annotation, NodeType
from rayfleet.api.raycluster import RayVersion
from rayfleet.api.raycluster.start_params import known_params
from rayfleet.api.shell_word import environment_of
from rayfleet.kinds.raycluster.manifests import ports
from rayfleet.kinds.raycluster.manifests.auth import NodeAuth, with_kubernetes_token
from rayfleet.kinds.raycluster.manifests.environment import ray_environment, with_head_address
from rayfleet.kinds.raycluster.manifests.metadata import (
    is_on,
    owner_reference,
    pod_annotations,
    pod_labels,
    serves,
    template_hash,
)
from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, objects, ray_container
from rayfleet.kinds.raycluster.manifests.probes import missing_probes, probes, serving_readiness
from rayfleet.kinds.raycluster.manifests.ray_start import container_command
from rayfleet.kinds.raycluster.manifests.volumes import shared_memory
from rayfleet.kube.objects.roots import Root

# With these Ray Serve notices a lost node soon, and its calls to a restarting head time out.
_SERVING: Final = {
    "RAY_timeout_ms_task_wait_for_death_info": "0",
    "RAY_gcs_server_request_timeout_seconds": "5",
    "RAY_SERVE_KV_TIMEOUT_S": "5",
}


class PodManifest(Struct, frozen=True):
    """A pod that can be created as it is."""

    body: Json
    """Shares structure with the spec it was built from: send it, do not change it."""
    name: str
    template_hash: str
    """Equal for pods that differ only in name, index and epoch."""


class NodeTemplate(Struct, frozen=True):
    """Everything that the pods of one group are built from."""

    node_type: str
    group: str
    template: Mapping[str, Any]
    labels: Mapping[str, str]
    params: Mapping[str, str]
    """All flags of `ray start`."""
    ray_start: str
    """The command with these flags."""
    gcs_host: str
    """The host at which this node reaches the GCS."""
    gcs_port: str
    ray_version: RayVersion | None
    """None if the manifest does not say."""
    auth: NodeAuth | None = None
    scaled: bool = False
    """The operator scales the cluster with its queue."""
    fails_infeasible: bool = False
    """On a head: tasks that no node can ever run fail."""


def ray_pod(cluster: Root, node: NodeTemplate, spec: Json) -> PodManifest:
    """A pod of `node` without a name, with the template hash in its annotations."""
    given = mapping(node.template.get("metadata"))
    metadata: Json = {
        "namespace": cluster.key.namespace,
        "labels": pod_labels(cluster, node.node_type, node.group, node.template, node.labels),
        "annotations": pod_annotations(cluster, node.template),
        "ownerReferences": [owner_reference(cluster)],
    }
    if items(given.get("finalizers")):
        metadata["finalizers"] = given["finalizers"]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    digest = template_hash(body)
    metadata["annotations"][Annotation.TEMPLATE_HASH] = digest
    return PodManifest(body, "", digest)


def named(
    manifest: PodManifest,
    name: str,
    annotations: Mapping[str, str],
    labels: Mapping[str, str] = MappingProxyType({}),
) -> PodManifest:
    """The pod with its own name; everything else is shared."""
    metadata = manifest.body["metadata"]
    own = {**metadata, "name": name, "annotations": {**metadata["annotations"], **annotations}}
    if labels:
        own["labels"] = {**metadata["labels"], **labels}
    return PodManifest({**manifest.body, "metadata": own}, name, manifest.template_hash)


def ray_pod_spec(cluster: Root, node: NodeTemplate, head: str) -> Json:
    """The template's pod spec, with its first container turned into a Ray node; `head` is the head's host."""
    spec = dict(mapping(node.template.get("spec")))
    init_containers = objects(spec.get("initContainers"))
    if init_containers:
        spec["initContainers"] = [with_head_address(container, head) for container in init_containers]
    ray = ray_container(node.template)
    if not ray:
        return spec
    ray = _running_ray(cluster, node, ray)
    if node.node_type == NodeType.WORKER:
        ray = with_head_address(ray, head)
    ray, volumes = shared_memory(ray, spec.get("volumes"), node.params)
    if node.auth is not None and node.auth.kubernetes:
        ray, volumes = with_kubernetes_token(ray, volumes)
    spec["containers"] = [ray, *items(spec["containers"])[1:]]
    if volumes:
        spec["volumes"] = volumes
    if node.scaled:
        # A restarted container would be a new Ray node under the name of the old one.
        spec.setdefault("restartPolicy", "Never")
    return spec


def _running_ray(cluster: Root, node: NodeTemplate, container: Mapping[str, Any]) -> Json:
    annotations = pod_annotations(cluster, node.template)
    known = known_params(node.params, environment_of(container))
    own_command = is_on(annotations.get(Annotation.OVERWRITE_COMMAND, ""))
    return {
        **container,
        **({} if own_command else container_command(container, node.ray_start)),
        "env": ray_environment(
            container,
            ray_start=node.ray_start,
            gcs_host=node.gcs_host,
            port=node.gcs_port,
            auth=node.auth.env if node.auth is not None else (),
            defaults=_autoscaling(node) | (_SERVING if serves(cluster) else {}),
        ),
        "ports": _with_metrics(container, known),
        **missing_probes(container, _probes(cluster, node, container, known)),
    }


def _probes(
    cluster: Root, node: NodeTemplate, container: Mapping[str, Any], known: Mapping[str, str]
) -> dict[str, Json]:
    generated = probes(node.node_type, known, node.ray_version)
    if node.node_type == NodeType.WORKER and serves(cluster):
        generated |= {"readinessProbe": serving_readiness(known, ports.serve_port(container))}
    return generated


def _autoscaling(node: NodeTemplate) -> dict[str, str]:
    """Autoscaler v2 makes Ray's head report `request_resources`, too; the other nodes follow the head."""
    if not (node.scaled and node.node_type == NodeType.HEAD):
        return {}
    early_exit = {"RAY_enable_infeasible_task_early_exit": "1"} if node.fails_infeasible else {}
    # How often a head collects the demand of its nodes; Ray's 1,000 would be half the time from task to pod.
    sooner = {"RAY_gcs_pull_resource_loads_period_milliseconds": "500"}
    return {"RAY_enable_autoscaler_v2": "1"} | sooner | early_exit


def _with_metrics(container: Mapping[str, Any], known: Mapping[str, str]) -> list[Any]:
    declared = items(container.get("ports"))
    if any(mapping(port).get("name") == "metrics" for port in declared):
        return list(declared)
    number = ports.port(known, "metrics-export-port", ports.METRICS)
    return [*declared, {"name": "metrics", "containerPort": number}]
