"""The head pod."""

from rayfleet.api.names import HEAD_GROUP, Annotation, Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec, ray_version_of, scales_here
from rayfleet.kinds.raycluster.manifests import ports
from rayfleet.kinds.raycluster.manifests.auth import node_auth
from rayfleet.kinds.raycluster.manifests.names import fqdn, head_pod_name
from rayfleet.kinds.raycluster.manifests.ray_pod import (
    NodeTemplate,
    PodManifest,
    named,
    ray_pod,
    ray_pod_spec,
)
from rayfleet.kinds.raycluster.manifests.ray_start import head_params, ray_start_command
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, PodSettings
from rayfleet.kube.objects.roots import Root


def head_pod(
    cluster: Root,
    spec: RayClusterSpec,
    epoch: int,
    settings: PodSettings = DEFAULT,
    *,
    with_uid: bool = False,
) -> PodManifest:
    """The head of `epoch`. Its name depends only on cluster and epoch (see `plan/head.py`).

    `with_uid` adds a label by which its Service tells it from a head of an earlier cluster.
    """
    group = spec.head_group_spec
    scaled = scales_here(spec)
    params = head_params(group, scaled=scaled)
    node = NodeTemplate(
        node_type=NodeType.HEAD,
        group=HEAD_GROUP,
        template=group.template,
        labels=group.labels,
        params=params,
        ray_start=ray_start_command(params, head=True),
        gcs_host="127.0.0.1",
        gcs_port=ports.gcs_port(group),
        ray_version=ray_version_of(spec),
        auth=node_auth(cluster, spec),
        scaled=scaled,
        fails_infeasible=scaled and spec.autoscaler_options.fail_infeasible_tasks,
    )
    pod_spec = ray_pod_spec(cluster, node, fqdn(cluster, spec, settings.cluster_domain))
    annotations = {Annotation.HEAD_EPOCH: str(epoch)}
    labels = {Label.CLUSTER_UID: cluster.uid} if with_uid else {}
    return named(ray_pod(cluster, node, pod_spec), head_pod_name(cluster, epoch), annotations, labels)
