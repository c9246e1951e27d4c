"""Shortens schemas, so that a CRD with several pod templates can be applied with plain `kubectl apply`.

Nothing here lets a value through that a Go client could not read: types, bounds and patterns stay.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from crds.kubernetes_types import KubernetesTypes, Schema

_KEEPS_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
_RULES: Final = "x-kubernetes-validations"
_LIST_TYPE: Final = "x-kubernetes-list-type"
_MAP_TYPE: Final = "x-kubernetes-map-type"
_OPEN: Final = frozenset(
    {
        *("PodTemplateSpec", "PodSpec", "Container", "Volume", "SecurityContext", "PodSecurityContext"),
        *("Service", "ServiceSpec", "ResourceRequirements", "EnvVar", "EnvVarSource", "Probe"),
    }
)
"""Types of Kubernetes that get new fields most often; unknown fields of all others are dropped."""


def compact(kubernetes: KubernetesTypes) -> KubernetesTypes:
    """The same types, closed except for a few, and without what only governs the merging of writes."""
    types = {name: _compact(schema, is_open=name in _OPEN) for name, schema in kubernetes.types.items()}
    metadata = types["ObjectMeta"]
    # Only stored objects have managed fields; a template has none.
    none: Schema = {"type": "array", "maxItems": 0, "items": {"type": "object"}}
    types["ObjectMeta"] = {**metadata, "properties": {**metadata["properties"], "managedFields": none}}
    return replace(kubernetes, types=types)


def without_descriptions(schema: Schema) -> Schema:
    """The schema without words for people."""
    return _changed(schema, lambda node: _without(node, "description"))


def without_transitions(schema: Schema) -> Schema:
    """The schema without rules about changes."""
    return _changed(schema, _without_transitions)


def _compact(schema: Schema, *, is_open: bool) -> Schema:
    def shorter(node: Schema) -> Schema:
        if node.get(_LIST_TYPE) == "atomic":  # The default.
            node = _without(node, _LIST_TYPE)
        if node.get(_MAP_TYPE) == "atomic":  # Two who apply parts of one selector share it then.
            node = _without(node, _MAP_TYPE)
        return node if is_open or "properties" not in node else _without(node, _KEEPS_UNKNOWN)

    return _changed(schema, shorter)


def _without_transitions(node: Schema) -> Schema:
    if _RULES not in node:
        return node
    rules = [rule for rule in node[_RULES] if "oldSelf" not in rule["rule"]]
    kept = _without(node, _RULES)
    return type(node)({**kept, _RULES: rules}) if rules else kept


def _without(node: Schema, key: str) -> Schema:
    # type(node): types of Kubernetes are marked by their class.
    return type(node)({name: value for name, value in node.items() if name != key})


def _changed(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """The schema with every part of it changed."""
    node = change(schema)
    inner: dict[str, Any] = {
        key: _changed(node[key], change) for key in ("items", "additionalProperties") if key in node
    }
    properties: Mapping[str, Schema] = node.get("properties", {})
    if properties:
        inner["properties"] = {name: _changed(value, change) for name, value in properties.items()}
    return type(node)({**node, **inner})
