"""The Services: the head's, through which workers and users reach it, and the multi-host workers'."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rayfleet.api.names import Label, NodeType
from rayfleet.api.raycluster import HeadGroupSpec, RayClusterSpec
from rayfleet.api.raycluster.start_params import known_params, ray_environment_of
from rayfleet.kinds.raycluster.manifests import ports
from rayfleet.kinds.raycluster.manifests.metadata import head_selector, owner_reference
from rayfleet.kinds.raycluster.manifests.names import head_service_name, headless_service_name
from rayfleet.kinds.raycluster.manifests.pod_template import (
    Json,
    mapping,
    objects,
    ray_container,
    text,
    texts,
)
from rayfleet.kube.objects.roots import Root

_TCP: Final = "TCP"
_DEFAULT_TYPE: Final = "ClusterIP"


def head_service(cluster: Root, spec: RayClusterSpec) -> Json:
    """The head Service, overlaid with the user's own (`headService`).

    Without one, and without a type that needs its own address, it is headless and publishes the head before
    it is ready: there is only one head, and workers join it while it starts.
    """
    group = spec.head_group_spec
    given = group.head_service
    selector = head_selector(cluster, group.template, group.labels)
    given_metadata, given_spec = mapping(mapping(given).get("metadata")), mapping(mapping(given).get("spec"))
    service_type = text(given_spec.get("type")) or group.service_type or _DEFAULT_TYPE
    headless = given is None and service_type == _DEFAULT_TYPE
    reach: Json = {"clusterIP": "None", "publishNotReadyAddresses": True} if headless else {}
    listed = _overlay(_generated_ports(group), objects(given_spec.get("ports")))
    if not (headless or given_spec.get("clusterIP") == "None"):
        listed = _with_gcs(listed, group)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": head_service_name(cluster, spec),
            "namespace": cluster.key.namespace,
            "labels": {**texts(given_metadata.get("labels")), **selector},
            "annotations": {**texts(given_metadata.get("annotations")), **spec.head_service_annotations},
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": {
            **{field: value for field, value in given_spec.items() if value is not None},
            **reach,
            "type": service_type,
            "selector": selector,
            "ports": sorted(listed, key=_name),
        },
    }


def dashboard_service_port(cluster: Root, spec: RayClusterSpec) -> int:
    """The port under which the dashboard is reached through the head Service."""
    service = head_service(cluster, spec)["spec"]
    offered: Json = next((port for port in service["ports"] if _name(port) == "dashboard"), {})
    number = offered.get("port")
    if service.get("clusterIP") == "None":
        # Its name leads to the pod itself, and so to the pod's port.
        number = offered.get("targetPort", number)
    return number if isinstance(number, int) else ports.dashboard_port(spec.head_group_spec)


def headless_service(cluster: Root) -> Json:
    """The addresses of all workers under one DNS name from their start, because hosts wait for each other.

    A host has its own name below it if its pod gets `hostname` and `subdomain`, as webhooks for multi-host
    accelerators set them.
    """
    name = headless_service_name(cluster)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": cluster.key.namespace,
            # KubeRay looks for it by the cluster's name; if it finds none, it creates one of the same name.
            "labels": {Label.CLUSTER: cluster.key.name, Label.HEADLESS_WORKER_SERVICE: cluster.key.name},
            "ownerReferences": [owner_reference(cluster)],
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {Label.CLUSTER: cluster.key.name, Label.NODE_TYPE: NodeType.WORKER},
        },
    }


def _generated_ports(group: HeadGroupSpec) -> list[Json]:
    """The ports that the head's container declares, or those that Ray listens on; always with metrics."""
    params = known_params(group.ray_start_params, ray_environment_of(group))
    declared = [
        _port(
            text(port.get("name")) or f"{port['containerPort']}-port",
            port["containerPort"],
            text(port.get("protocol")),
        )
        for port in objects(ray_container(group.template).get("ports"))
        if isinstance(port.get("containerPort"), int)
    ]
    usual = [
        _port("client", ports.port(params, "ray-client-server-port", ports.CLIENT)),
        _port("gcs-server", ports.port(params, "port", ports.GCS)),
        _port("dashboard", ports.port(params, "dashboard-port", ports.DASHBOARD)),
        _port("serve", ports.SERVE),
    ]
    metrics = _port("metrics", ports.port(params, "metrics-export-port", ports.METRICS))
    return _distinct([*(declared or usual), metrics])


def _port(name: str, number: int, protocol: str = "") -> Json:
    if protocol in {"", _TCP}:
        return {"name": name, "port": number, "appProtocol": "tcp"}
    return {"name": name, "port": number, "protocol": protocol}


def _overlay(generated: list[Json], given: list[Mapping[str, Any]]) -> list[Json]:
    """The user's ports first; a generated port of the same name fills in fields that the user left out."""
    by_name = {_name(port): port for port in generated}
    laid_over = []
    for port in given:
        under = by_name.get(_name(port), {})
        own = {field: value for field, value in port.items() if value is not None}
        # "dashboard: 80" means port 80 of the Service, but still the dashboard's own port in the pod.
        moved = (
            {"targetPort": under["port"]} if under and own.get("port", under["port"]) != under["port"] else {}
        )
        laid_over.append({**under, **moved, **own})
    return _distinct([*laid_over, *generated])


def _with_gcs(listed: list[Json], group: HeadGroupSpec) -> list[Json]:
    # A Service with its own address forwards only the ports it lists, and without this one no worker joins.
    gcs = ports.port(known_params(group.ray_start_params, ray_environment_of(group)), "port", ports.GCS)
    taken = {_name(port) for port in listed}
    name = "gcs-server" if "gcs-server" not in taken else f"{gcs}-port"
    return _distinct([*listed, _port(name, gcs)])


def _distinct(listed: Iterable[Json]) -> list[Json]:
    """The first of each name and of each number: the API server refuses a Service with two."""
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    kept = []
    for port in listed:
        number = (port.get("port"), port.get("protocol", _TCP))
        if _name(port) not in names and number not in numbers:
            kept.append(port)
            names.add(_name(port))
            numbers.add(number)
    return kept


def _name(port: Mapping[str, Any]) -> str:
    return text(port.get("name"))
