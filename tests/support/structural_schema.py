"""Validation of a value by a structural schema, as an API server does it; enough for our statuses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def faults(schema: Mapping[str, Any], value: object, path: str = "status") -> Iterator[str]:
    """Where the value violates the schema, and its fields that the schema does not know."""
    kind = schema.get("type", "string")
    if not isinstance(value, _TYPES[kind]) or isinstance(value, bool) != (kind == "boolean"):
        yield f"{path} is {value!r}, no {kind}"
    elif isinstance(value, dict):
        yield from _of_object(schema, value, path)
    elif isinstance(value, list):
        yield from _of_list(schema, value, path)
    elif isinstance(value, str):
        if value not in schema.get("enum", (value,)) or not re.search(schema.get("pattern", ""), value):
            yield f"{path} is {value!r}, not as {schema}"
    elif kind == "integer":
        bits = int(schema["format"].removeprefix("int"))
        if not -(2 ** (bits - 1)) <= int(str(value)) < 2 ** (bits - 1):
            yield f"{path} is {value}, not as {schema}"


def _of_list(schema: Mapping[str, Any], value: list[Any], path: str) -> Iterator[str]:
    for index, entry in enumerate(value):
        yield from faults(schema["items"], entry, f"{path}[{index}]")
    keys = schema.get("x-kubernetes-list-map-keys", ())
    identities = [tuple(entry.get(key) for key in keys) for entry in value] if keys else []
    if len(set(identities)) < len(identities):
        yield f"{path} has two entries of one {keys}"


def _of_object(schema: Mapping[str, Any], value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path} has no {name}"
    for name, inner in value.items():
        known = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if known is None:
            yield f"{path}.{name} is not known"
        else:
            yield from faults(known, inner, f"{path}.{name}")
