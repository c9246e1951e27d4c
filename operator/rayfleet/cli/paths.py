"""The paths of objects, whatever their user has typed."""

from urllib.parse import quote

from rayfleet.kube.objects.resources import Resource


def path_of(kind: Resource, namespace: str, name: str) -> str:
    """The path of one object."""
    return kind.path(quote(namespace, safe=""), quote(name, safe=""))


def paths_of(kind: Resource, namespace: str | None) -> str:
    """The path of all objects in a namespace, or of all objects."""
    return kind.collection(quote(namespace, safe="") if namespace else None)
