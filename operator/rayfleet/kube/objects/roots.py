"""The objects that users create, as they are stored."""

from collections.abc import Mapping

from msgspec import Struct

from rayfleet.api.names import Finalizer
from rayfleet.kube.objects.keys import JsonObject, Key, Owner, controller_of
from rayfleet.kube.objects.timestamps import unix_seconds


class Root(Struct, frozen=True):
    """An object of a kind that the operator serves, as stored: spec and status are not validated."""

    key: Key
    uid: str
    resource_version: int
    generation: int
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: JsonObject
    status: JsonObject
    born: int = 0
    """The resourceVersion that it was created with, if the watch showed that; else 0."""
    deleted: float = 0.0
    """Unix seconds since when it has been terminating; 0 if it is not."""
    finalizers: frozenset[str] = frozenset()
    """Those of its finalizers that we know."""
    owner: Owner | None = None
    """What controls it, such as the job that it was made for."""
    created: float = 0.0
    """Unix seconds, of the object's creationTimestamp."""


def root_from_object(obj: JsonObject, kind: str) -> Root:
    """Read an object of this kind without validating its spec."""
    metadata = obj["metadata"]
    return Root(
        key=Key(kind, metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata.get("generation") or 0,
        deleting="deletionTimestamp" in metadata,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        spec=obj.get("spec") or {},
        status=obj.get("status") or {},
        deleted=unix_seconds(metadata.get("deletionTimestamp")),
        finalizers=known_finalizers(metadata),
        owner=controller_of(metadata),
        created=unix_seconds(metadata.get("creationTimestamp")),
    )


def known_finalizers(metadata: JsonObject) -> frozenset[str]:
    """The finalizers of an object that we know; all others are not our concern."""
    finalizers = metadata.get("finalizers")
    return Finalizer.KNOWN.intersection(finalizers) if finalizers else frozenset()
