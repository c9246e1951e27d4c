"""The RayCluster of a manifest, checked by the operator's own rules."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rayfleet.api.names import API_VERSION, KIND
from rayfleet.api.raycluster import RayClusterSpec, parse_spec, validate
from rayfleet.api.violation import Violation
from rayfleet.cli.documents import documents, objects, refuse
from rayfleet.cli.errors import CommandError
from rayfleet.cli.manifest_faults import Unknown, amount_faults, unknown_fields, without
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root


class Manifest(NamedTuple):
    """A RayCluster that the operator would accept."""

    cluster: Root
    spec: RayClusterSpec
    unknown: tuple[Unknown, ...] = ()
    """Fields that the API server would drop."""


def read_cluster(file: str, name: str | None) -> Manifest:
    """The RayCluster in `file`, or the one called `name` if there are several. Raises CommandError."""
    clusters = [item for item in objects(documents(file)) if item.get("kind") == KIND]
    clusters = [item for item in clusters if str(item.get("apiVersion", "")).startswith("ray.io/")]
    if name is not None:
        clusters = [item for item in clusters if _metadata(item).get("name") == name]
    if not clusters:
        what = f"RayCluster named {name}" if name is not None else "RayCluster"
        raise CommandError(f"{file} has no {what} of {API_VERSION}: name a manifest that has one.")
    if len(clusters) > 1:
        names = ", ".join(str(_metadata(item).get("name", "")) for item in clusters)
        raise CommandError(
            f"{file} has {len(clusters)} RayClusters ({names}): choose one with --cluster NAME."
        )
    return _judged(file, clusters[0])


def _metadata(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _texts(values: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, Mapping) else {}


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
