"""The RayCluster of a manifest, judged by the same rules as the operator judges it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rayfleet.api.names import API_VERSION, KIND
from rayfleet.api.raycluster import RayClusterSpec, parse_spec, validate
from rayfleet.api.violation import Violation
from rayfleet.cli.documents import documents, refuse
from rayfleet.cli.errors import CommandError
from rayfleet.cli.manifest_faults import Unknown, amount_faults, unknown_fields, without
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root


class Manifest(NamedTuple):
    """A RayCluster that the operator would accept."""

    cluster: Root
    spec: RayClusterSpec
    unknown: tuple[Unknown, ...] = ()
    """Fields that the API server would leave out."""


def read_cluster(file: str, name: str | None) -> Manifest:
    """The RayCluster in `file`, the one of `name` where there are several. Raises CommandError."""
    found = [one for one in _objects(documents(file)) if one.get("kind") == KIND]
    found = [one for one in found if str(one.get("apiVersion", "")).startswith("ray.io/")]
    if name is not None:
        found = [one for one in found if _metadata(one).get("name") == name]
    if not found:
        what = f"RayCluster named {name}" if name is not None else "RayCluster"
        raise CommandError(f"{file} has no {what} of {API_VERSION}: name a manifest that has one.")
    if len(found) > 1:
        names = ", ".join(str(_metadata(one).get("name", "")) for one in found)
        raise CommandError(f"{file} has {len(found)} RayClusters ({names}): choose one with --cluster NAME.")
    return _judged(file, found[0])


def _objects(found: list[Any]) -> list[Mapping[str, Any]]:
    """Every object, those of a List among them."""
    objects: list[Mapping[str, Any]] = []
    for one in found:
        if isinstance(one, Mapping):
            items = one.get("items")
            objects += _objects(items) if one.get("kind") == "List" and isinstance(items, list) else [one]
    return objects


def _metadata(of: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = of.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _texts(found: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def _judged(file: str, manifest: Mapping[str, Any]) -> Manifest:
    metadata = _metadata(manifest)
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise refuse(file, [Violation("metadata.name", "is required: set it.")])
    given: Any = manifest.get("spec")
    first = _parsed(file, given)
    unknown = unknown_fields(first, given)
    stored = without(given, unknown)
    spec = _parsed(file, stored) if unknown else first
    labels, annotations = _texts(metadata.get("labels")), _texts(metadata.get("annotations"))
    broken = [*validate(spec, name=name, labels=labels, annotations=annotations), *amount_faults(stored)]
    if broken:
        raise refuse(file, broken)
    cluster = Root(
        key=Key(KIND, str(metadata.get("namespace") or "default"), name),
        uid="",
        resource_version=0,
        generation=0,
        deleting=False,
        labels=labels,
        annotations=annotations,
        spec=stored,
        status={},
    )
    return Manifest(cluster, spec, unknown)


def _parsed(file: str, given: object) -> RayClusterSpec:
    spec = parse_spec(given)
    if not isinstance(spec, RayClusterSpec):
        raise refuse(file, spec)
    return spec
