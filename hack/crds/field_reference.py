"""The page of the documentation that lists every field of a RayCluster's spec."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rayfleet.api import RayClusterSpec

_HEAD: Final = """\
<!-- Generated from the models of the API by `make crds`. Do not edit. -->
# RayCluster

The fields of `spec` in `ray.io/v1`, one table a part. Types named like Kubernetes' own, such as
PodTemplateSpec, are those. A field that is not listed is kept and not acted on; one that is listed and that
this release does not act on yet is named in the condition `Supported`.
"""
_ROOT: Final = "RayClusterSpec"


def field_reference() -> str:
    """The page, in Markdown."""
    document = RayClusterSpec.model_json_schema(by_alias=True, mode="validation")
    parts: dict[str, Any] = {_ROOT: document, **document["$defs"]}
    order = list(dict.fromkeys(_reachable(_ROOT, parts)))
    return _HEAD + "".join(_section(name, parts) for name in order)


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


def _section(name: str, parts: Mapping[str, Any]) -> str:
    part = parts[name]
    title = "spec" if name == _ROOT else name
    required = part.get("required", ())
    rows = [
        (f"`{field}`", _type(schema), _default(schema, required=field in required), _meaning(schema, parts))
        for field, schema in part["properties"].items()
    ]
    table = "\n".join(
        f"| {' | '.join(cells)} |" for cells in (("field", "type", "default", "meaning"), ("---",) * 4, *rows)
    )
    return f"\n## {title}\n\n{part['description']}\n\n{table}\n"


def _meaning(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    # Pydantic leaves out a field's description that repeats its type's.
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
    words = [f"at least {low}"] if low is not None else []
    words += [f"at most {high}"] if high is not None else []
    return f", {' and '.join(words)}" if words else ""


def _default(schema: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    return f"`{json.dumps(default)}`" if default not in (None, [], "") else ""
