"""Kubernetes' own types, as a live API server describes them, reduced to what a CRD needs.

Kept: types, formats, required fields, list keys. Dropped: descriptions, and enums and defaults, which the API
server checks and fills in when a pod is created. The rest must refuse every value that cannot be parsed as a
pod, or every Go client's list of clusters would break on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

_CORE: Final = "io.k8s.api.core.v1."
_NETWORKING: Final = "io.k8s.api.networking.v1."
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ROOTS: Final = {
    "PodTemplateSpec": _CORE,
    "Service": _CORE,
    "ResourceRequirements": _CORE,
    "SecurityContext": _CORE,
    "EnvVar": _CORE,
    "EnvFromSource": _CORE,
    "EnvVarSource": _CORE,
    "VolumeMount": _CORE,
    "IngressTLS": _NETWORKING,
    "NetworkPolicyIngressRule": _NETWORKING,
    "NetworkPolicyEgressRule": _NETWORKING,
}

# The API server checks these formats itself; it knows others only by name.
_FORMATS: Final = ("int32", "int64")
_NUMBER: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_QUANTITY: Final = rf"^{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{{1,2}})?$"
# Not `format: date-time`: the API server accepts any list for a string with a format.
_LEAP_YEAR: Final = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DAY_OF_YEAR: Final = "((0[13578]|1[02])-31|(0[13-9]|1[0-2])-(29|30)|(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]))"
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_ZONE: Final = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_TIME: Final = f"^([0-9]{{4}}-{_DAY_OF_YEAR}|{_LEAP_YEAR}-02-29)T{_CLOCK}{_ZONE}$"
# Go reads the number as an int32.
INT_OR_STRING: Final[Schema] = {"x-kubernetes-int-or-string": True, "minimum": -(2**31), "maximum": 2**31 - 1}
QUANTITY: Final[Schema] = {"x-kubernetes-int-or-string": True, "pattern": _QUANTITY}
TIME: Final[Schema] = {"type": "string", "pattern": _TIME}

_LEAVES: Final[Mapping[str, Schema]] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    f"{_META}Time": TIME,
    f"{_META}MicroTime": TIME,
    f"{_META}FieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_NONE: Final[Schema] = {
    "type": "array",
    "maxItems": 0,
    "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


@dataclass(frozen=True)
class KubernetesTypes:
    """Reduced types by name; a `$ref` holds the name of another."""

    version: str
    types: Mapping[str, Schema]

    @classmethod
    def load(cls, path: Path) -> "KubernetesTypes":
        """The committed types."""
        content = json.loads(path.read_text())
        return cls(content["kubernetes"], content["types"])

    def save(self, path: Path) -> None:
        """Write the types so that a diff shows what Kubernetes changed."""
        content = {"kubernetes": self.version, "types": self.types}
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")

    def schema(self, name: str) -> Schema:
        """One type with everything it refers to, as a CRD requires it."""
        if name == "IntOrString":
            return INT_OR_STRING
        if name == "Quantity":
            return QUANTITY
        schema: Schema = self._inlined(self.types[name])
        return schema

    def _inlined(self, node: Any) -> Any:  # noqa: ANN401 - any part of a schema
        if isinstance(node, list):
            return [self._inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return self._inlined(self.types[node["$ref"]])
        return {key: self._inlined(value) for key, value in node.items()}


def reduced(described: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """The types that clusters embed, and all they refer to, from an OpenAPI v3 document."""
    types: dict[str, Schema] = {}
    waiting = [prefix + name for name, prefix in _ROOTS.items()]
    while waiting:
        full_name = waiting.pop()
        if _short(full_name) not in types:
            types[_short(full_name)] = _reduced(described[full_name], waiting)
    _require_list_keys(types)
    # No pod can be created with ephemeral containers, and their schema is a fifth of the template's.
    types["PodSpec"]["properties"]["ephemeralContainers"] = _NONE
    del types["EphemeralContainer"]
    return types


def _reduced(node: Schema, waiting: list[str]) -> Schema:
    if len(node.get("allOf", ())) == 1:
        node = node["allOf"][0]
    if "$ref" in node:
        full_name = node["$ref"].rpartition("/")[2]
        if full_name in _LEAVES:
            return dict(_LEAVES[full_name])
        waiting.append(full_name)
        return {"$ref": _short(full_name)}
    kept: Schema = {key: node[key] for key in ("type", "required") if key in node}
    kept |= {
        key: value for key, value in node.items() if key.startswith(("x-kubernetes-list", "x-kubernetes-map"))
    }
    if node.get("format") in _FORMATS:
        kept["format"] = node["format"]
    if "items" in node:
        kept["items"] = _reduced(node["items"], waiting)
    if "properties" in node:
        kept["properties"] = {name: _reduced(value, waiting) for name, value in node["properties"].items()}
    elif "additionalProperties" in node:
        kept["additionalProperties"] = _reduced(node["additionalProperties"], waiting)
    if node.get("type") == "object" and "additionalProperties" not in kept:
        kept["x-kubernetes-preserve-unknown-fields"] = True
    return kept


# Keys of list entries that Kubernetes itself fills in, so that users leave them out.
_KEY_DEFAULTS: Final = {"protocol": "TCP", "name": ""}


def _require_list_keys(types: Mapping[str, Schema]) -> None:
    """In a CRD every list key is required or has a default."""
    for schema in types.values():
        for prop in schema.get("properties", {}).values():
            keys = prop.get("x-kubernetes-list-map-keys", ())
            entry = types[prop["items"]["$ref"]] if keys else {}
            for key in keys:
                if key in entry.get("required", ()):
                    continue
                entry["properties"][key] = entry["properties"][key] | {"default": _KEY_DEFAULTS[key]}


def _short(full_name: str) -> str:
    return full_name.rpartition(".")[2]
