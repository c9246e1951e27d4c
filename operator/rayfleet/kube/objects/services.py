"""Services, trimmed."""

from msgspec import Struct

from rayfleet.kube.objects.keys import JsonObject, Owner, controller_of


class Service(Struct, frozen=True):
    """A Service of a cluster, trimmed."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    owner: Owner | None
    cluster_ip: str
    ports: tuple[tuple[str, str], ...]
    """(port name, target port) as `status.endpoints` shows them."""
    deleting: bool
    selector: tuple[tuple[str, str], ...] = ()


def service_from_object(obj: JsonObject) -> Service:
    """Trim a Service object."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        owner=controller_of(metadata),
        cluster_ip=spec.get("clusterIP") or "",
        ports=tuple(
            (
                port.get("name") or "",
                str(port.get("nodePort") or port.get("targetPort") or port.get("port")),
            )
            for port in spec.get("ports") or ()
        ),
        deleting="deletionTimestamp" in metadata,
        selector=tuple(sorted((spec.get("selector") or {}).items())),
    )
