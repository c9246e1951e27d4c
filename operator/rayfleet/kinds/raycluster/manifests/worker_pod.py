"""The pods of a worker group."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from rayfleet.api.names import Annotation, Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec, ray_version_of, scales_here
from rayfleet.kinds.raycluster.manifests import ports, wait
from rayfleet.kinds.raycluster.manifests.auth import node_auth
from rayfleet.kinds.raycluster.manifests.names import fqdn, replica_name, worker_pod_name
from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, ray_container
from rayfleet.kinds.raycluster.manifests.ray_pod import (
    NodeTemplate,
    PodManifest,
    named,
    ray_pod,
    ray_pod_spec,
)
from rayfleet.kinds.raycluster.manifests.ray_start import node_resources, ray_start_command, worker_params
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, WAIT_CONTAINER, PodSettings
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Resources


class PodFactory(Struct, frozen=True):
    """The pods of one group, built once and named many times."""

    _cluster: Root
    _group: str
    _manifest: PodManifest

    @property
    def template_hash(self) -> str:
        """Equal for all pods of the factory, and of another whose pods differ only in name and index."""
        return self._manifest.template_hash

    def named(self, index: int, place: int | None = None) -> Json:
        """The body of the pod with this index; it shares everything but its metadata.

        `place` is the replica's place in the group, if this pod is the whole replica.
        """
        name = worker_pod_name(self._cluster, self._group, index)
        body = named(self._manifest, name, {Annotation.INDEX: str(index)}).body
        return body if place is None else _labelled(body, {Label.REPLICA_INDEX: str(place)})

    def replica(self, place: int, first: int, hosts: int) -> "Replica":
        """The replica with `hosts` hosts at `place` in the group; its first host is pod `first`."""
        return Replica(self, replica_name(self._cluster, self._group, first), place, first, hosts)


class Replica(Struct, frozen=True):
    """A multi-host replica: pods that are useful only together."""

    _factory: PodFactory
    name: str
    place: int
    first: int
    hosts: int

    def host(self, index: int) -> Json:
        """The body of one of its pods, `index` from 0."""
        body = self._factory.named(self.first + index)
        own = {
            Label.REPLICA_NAME: self.name,
            Label.REPLICA_INDEX: str(self.place),
            Label.REPLICA_HOST_INDEX: str(index),
        }
        return _labelled(body, own, {Annotation.HOST: f"{self.name}/{self.place}/{index}"})


def _labelled(body: Json, own: dict[str, str], noted: Mapping[str, str] = MappingProxyType({})) -> Json:
    """The body with labels and annotations that differ between pods of a group; the hash ignores them."""
    metadata = body["metadata"]
    labels, annotations = {**metadata["labels"], **own}, {**metadata["annotations"], **noted}
    return {**body, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def worker_pods(
    cluster: Root, spec: RayClusterSpec, group: WorkerGroupSpec, settings: PodSettings = DEFAULT
) -> PodFactory:
    """The pods of `group`. Each waits for the head's GCS in an init container before it starts Ray.

    It does not where the settings leave that out: an init container runs before the proxy of a mesh does.
    """
    head = fqdn(cluster, spec, settings.cluster_domain)
    port = ports.gcs_port(spec.head_group_spec)
    params = worker_params(group, f"{head}:{port}")
    node = NodeTemplate(
        node_type=NodeType.WORKER,
        group=group.group_name,
        template=group.template,
        labels=group.labels,
        params=params,
        ray_start=ray_start_command(params, head=False),
        gcs_host=head,
        gcs_port=port,
        ray_version=ray_version_of(spec, group.template),
        auth=node_auth(cluster, spec),
        scaled=scales_here(spec),
    )
    pod_spec = ray_pod_spec(cluster, node, head)
    if settings.waits:
        pod_spec = _with_wait(pod_spec, node, settings)
    return PodFactory(cluster, group.group_name, ray_pod(cluster, node, pod_spec))


def worker_resources(group: WorkerGroupSpec, learned: Resources = ()) -> Resources:
    """Logical resources of one Ray node of `group`.

    The flags' values, else those of its running nodes, else its pod's requests.
    """
    return node_resources(group, worker_params(group, ""), learned)


def _with_wait(spec: Json, node: NodeTemplate, settings: PodSettings) -> Json:
    # Last, so that it can use what the user's init containers set up (a proxy, a network).
    first = items(spec.get("initContainers"))
    ray = ray_container(node.template)
    if not ray or any(mapping(container).get("name") == WAIT_CONTAINER for container in first):
        return spec
    # The dot marks the name as complete: one DNS query instead of one per search domain, twice a second.
    host = f"{node.gcs_host}." if settings.cluster_domain else node.gcs_host
    gcs = wait.wait_for_gcs(ray, host, node.gcs_port, settings.wait)
    return {**spec, "initContainers": [*first, gcs]}
