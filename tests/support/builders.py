"""Clusters, pods and snapshots with sensible defaults: a test says only what it is about."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.kinds.raycluster.manifests import (
    head_pod_name,
    head_service_name,
    headless_service_name,
    replica_name,
    worker_pod_name,
)
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.keys import Key, Owner
from rayfleet.kube.objects.pod_end import End
from rayfleet.kube.objects.pod_readiness import READY
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service

NOW = 1_800_000_000.0
"""Unix seconds; an arbitrary moment."""
UID = "5f0a3c1e-0000-4000-8000-000000000001"


def template(image: str = "rayproject/ray:2.60.0", **resources: str) -> dict[str, Any]:
    """A pod template with one container; `resources` are its limits (`gpu` is `nvidia.com/gpu`)."""
    limits = {"nvidia.com/gpu" if name == "gpu" else name: amount for name, amount in resources.items()}
    container: dict[str, Any] = {"name": "ray", "image": image}
    if limits:
        container["resources"] = {"limits": limits, "requests": limits}
    return {"spec": {"containers": [container]}}


def group(name: str = "gpu", replicas: int = 3, **fields: Any) -> dict[str, Any]:
    """One entry of `workerGroupSpecs`."""
    entry = {
        "groupName": name,
        "replicas": replicas,
        "minReplicas": 0,
        "maxReplicas": 10,
        "template": template(),
    }
    return entry | fields


def spec(*groups: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A RayCluster's spec; one group of three where none is given."""
    return {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"template": template()},
        "workerGroupSpecs": list(groups or (group(),)),
    } | fields


def raycluster(
    name: str = "demo", namespace: str = "ml", spec_fields: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A whole RayCluster object, as a user would apply it."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": dict(spec_fields) if spec_fields is not None else spec(),
    }


def cluster(
    spec_fields: Mapping[str, Any] | None = None,
    *,
    name: str = "demo",
    status: Mapping[str, Any] | None = None,
    deleting: bool = False,
    uid: str = UID,
) -> Root:
    """A stored RayCluster."""
    return Root(
        key=Key("RayCluster", "ml", name),
        uid=uid,
        resource_version=1000,
        generation=1,
        deleting=deleting,
        labels={},
        annotations={},
        spec=spec() if spec_fields is None else spec_fields,
        status=status or {},
    )


def parsed(spec_fields: Mapping[str, Any]) -> RayClusterSpec:
    """The model of a valid spec."""
    result = parse_spec(spec_fields)
    assert isinstance(result, RayClusterSpec), result
    return result


def head(of: Root, *, epoch: int = 0, **changes: Any) -> Pod:
    """A running, ready head of `of`."""
    name = head_pod_name(of, epoch)
    return _pod(of, name, NodeType.HEAD, HEAD_GROUP, head_epoch=epoch, changes=changes)


def worker(of: Root, index: int, *, group_name: str = "gpu", **changes: Any) -> Pod:
    """A running, ready worker of `of`."""
    name = worker_pod_name(of, group_name, index)
    return _pod(of, name, NodeType.WORKER, group_name, index=index, changes=changes)


def host(of: Root, index: int, host_index: int, *, first: int, place: int = 0, **changes: Any) -> Pod:
    """A running, ready host of the replica in group `tpu` whose first pod has the index `first`."""
    name = replica_name(of, "tpu", first)
    return worker(of, index, group_name="tpu", host=Host(name, place, host_index), **changes)


def replica(of: Root, first: int, *, hosts: int = 4) -> list[Pod]:
    """All hosts of such a replica."""
    place = (first - 1) // hosts
    return [host(of, first + n, n, first=first, place=place) for n in range(hosts)]


def _pod(
    of: Root,
    name: str,
    node_type: str,
    group_name: str,
    *,
    changes: Mapping[str, Any],
    head_epoch: int | None = None,
    index: int = 0,
) -> Pod:
    pod = Pod(
        namespace=of.key.namespace,
        name=name,
        uid=f"uid-{name}",
        resource_version=1,
        owner=Owner("RayCluster", of.key.name, of.uid),
        node_type=node_type,
        group=group_name,
        created=NOW - 3600 + index,
        deleting=False,
        phase="Running",
        readiness=READY,
        node_name="node-1",
        pod_ip="10.0.0.9",
        head_epoch=head_epoch,
        index=index,
        template_hash="",
    )
    return changed(pod, **changes)


_READINESS = {
    "ready": "ready",
    "sandboxed": "sandboxed",
    "unready_reason": "reason",
    "unready_words": "message",
    "unready_container": "container",
}
"""The fields of a pod's readiness that a test may set."""


def changed(pod: Pod, **changes: Any) -> Pod:
    """The pod with other fields, or others of its readiness: `ready=False, unready_reason="OOMKilled"`."""
    facts = {_READINESS[name]: changes.pop(name) for name in _READINESS if name in changes}
    if facts:
        changes["readiness"] = pod.readiness._replace(**facts)
    return replace(pod, **changes)


def ray_ended(exit_code: int = 1, ran: float | None = None) -> End:
    """The end of a Ray container that is not restarted."""
    return End("Error", exit_code, ran=ran, for_good=True)


def ended_by_kubelet(reason: str, ran: float | None = None) -> End:
    """The end of a pod that the kubelet, or a node's shutdown, has ended."""
    return End(reason, ran=ran, for_good=True, of_pod=True)


def service(of: Root, name: str | None = None) -> Service:
    """The head Service of `of`, or another of its Services."""
    return Service(
        namespace=of.key.namespace,
        name=name or head_service_name(of, parsed(of.spec)),
        uid=f"uid-{name or 'service'}",
        resource_version=1,
        owner=Owner("RayCluster", of.key.name, of.uid),
        cluster_ip="None",
        ports=(("gcs-server", "6379"), ("dashboard", "8265")),
        deleting=False,
    )


def snapshot(
    of: Root,
    pods: Iterable[Pod] = (),
    *,
    with_service: bool = True,
    headless: bool = False,
    **fields: Any,
) -> Snapshot:
    """The planner's view of `of`; its head Service exists by default."""
    services = [service(of)] if with_service else []
    services += [service(of, headless_service_name(of))] if headless else []
    defaults: dict[str, Any] = {
        "spec": parsed(of.spec),
        "violations": (),
        "pods": tuple(pods),
        "services": tuple(services),
        "now": NOW,
    }
    return Snapshot(cluster=of, **(defaults | fields))
