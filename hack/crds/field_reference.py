"""The documentation page that lists every field of a RayCluster's spec."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.scaler import SIDECAR_OPTIONS
from rayfleet.kinds.raycluster import support

_HEAD: Final = """\
<!-- Generated from the models of the API by `make crds`. Do not edit. -->
# RayCluster

The fields of `spec` in `ray.io/v1`, one table per part. Types named like Kubernetes' own, such as
PodTemplateSpec, are Kubernetes'. An unlisted field is kept but not acted on. A listed field that this release
does not act on yet says so below, and the condition `Supported` names it if it is set.
"""
_METADATA: Final = """\

## Annotations and labels

What KubeRay acts on in the `metadata` of a RayCluster. The condition `Supported` names those that are set and
that this release does not act on yet.

| annotation or label | here |
|---|---|
"""
_ACTED_ON: Final = (
    (
        "annotation",
        "ray.io/overwrite-container-cmd",
        'With "true" the Ray container keeps its command; ours is in `KUBERAY_GEN_RAY_START_CMD`.',
    ),
    (
        "annotation",
        "ray.io/disable-provisioned-head-restart",
        'With "true" a cluster that has been provisioned once gets no other head.',
    ),
    (
        "label",
        "kueue.x-k8s.io/queue-name",
        "Kueue's queue: sizes are kept in `replicas`, where Kueue counts them.",
    ),
    (
        "label",
        "ray.io/originated-from-crd",
        "With `RayService` pods get the label `ray.io/serve`, and workers are ready while their proxy is.",
    ),
)
_VALUES: Final = {"spec.autoscalerOptions.runtime": "Sidecar", "spec.autoscalerOptions.version": "v1"}
"""Values that are not acted on, in fields that are."""
_ROOT: Final = "RayClusterSpec"


def field_reference() -> str:
    """The page, in Markdown."""
    document = RayClusterSpec.model_json_schema(by_alias=True, mode="validation")
    parts: dict[str, Any] = {_ROOT: document, **document["$defs"]}
    order = list(dict.fromkeys(_reachable(_ROOT, parts)))
    places = _places(_ROOT, parts)
    return _HEAD + "".join(_section(name, parts, places[name]) for name in order) + _metadata()


def _metadata() -> str:
    rows = [(kind, key, words) for kind, key, words in _ACTED_ON]
    for kind, rules in (("annotation", support.ANNOTATIONS), ("label", support.LABELS)):
        rows += [(kind, rule.key, f"Not acted on yet: {rule.instead}.") for rule in rules]
    return _METADATA + "".join(f"| {kind} `{key}` | {words} |\n" for kind, key, words in rows)


def _places(root: str, parts: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """The paths of each part in a manifest, without list indexes."""
    places: defaultdict[str, list[str]] = defaultdict(list)

    def visit(name: str, path: str) -> None:
        places[name].append(path)
        for field, schema in parts[name]["properties"].items():
            for inner in _references(schema):
                visit(inner, f"{path}.{field}")

    visit(root, "spec")
    return places


def _not_acted_on() -> Mapping[str, str]:
    """What happens instead, by field path without list indexes."""
    groups = {f"spec.workerGroupSpecs.{rule.path}": rule.instead for rule in support.GROUP_FIELDS}
    container = dict.fromkeys(SIDECAR_OPTIONS.values(), support.NO_CONTAINER)
    return {rule.path: rule.instead for rule in support.FIELDS} | groups | container


def _limit(paths: Iterable[str]) -> str:
    """The sentence about a field that is not acted on at any of its paths; empty for others."""
    known, places = _not_acted_on(), list(paths)
    if places[0] in _VALUES:
        return f" `{_VALUES[places[0]]}` is not acted on yet: {support.NO_SIDECAR}."
    instead = [known.get(path) for path in places]
    return f" Not acted on yet: {instead[0]}." if instead and None not in instead else ""


def _reachable(name: str, parts: Mapping[str, Any]) -> Iterator[str]:
    yield name
    for field in parts[name]["properties"].values():
        for inner in _references(field):
            yield from _reachable(inner, parts)


def _references(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a schema
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _section(name: str, parts: Mapping[str, Any], places: Iterable[str]) -> str:
    part = parts[name]
    title = "spec" if name == _ROOT else name
    required = part.get("required", ())
    rows = [
        (
            f"`{field}`",
            _type(schema),
            _default(schema, required=field in required),
            _meaning(schema, parts) + _limit(f"{place}.{field}" for place in places),
        )
        for field, schema in part["properties"].items()
    ]
    table = "\n".join(
        f"| {' | '.join(cells)} |" for cells in (("field", "type", "default", "meaning"), ("---",) * 4, *rows)
    )
    return f"\n## {title}\n\n{part['description']}{_limit(places)}\n\n{table}\n"


def _meaning(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    # Pydantic omits a field's description that repeats its type's.
    described = schema if "description" in schema else parts[schema["$ref"].rpartition("/")[2]]
    return str(described["description"])


def _type(schema: Mapping[str, Any]) -> str:
    if "x-embedded" in schema:
        return str(schema["x-embedded"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return _type(schema["anyOf"][0])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if schema["type"] == "object":
        return f"map to {_type(schema['additionalProperties'])}"
    return str(schema["type"]) + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get(
        "minimum", schema.get("exclusiveMinimum", -1) + 1 if "exclusiveMinimum" in schema else None
    )
    high = schema.get("maximum")
    bounds = [f"at least {low}"] if low is not None else []
    bounds += [f"at most {high}"] if high is not None else []
    return f", {' and '.join(bounds)}" if bounds else ""


def _default(schema: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    return f"`{json.dumps(default)}`" if default not in (None, [], "") else ""
