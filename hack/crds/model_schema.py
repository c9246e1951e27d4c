"""From a pydantic model to a structural schema, as CRDs require it."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from crds.kubernetes_types import KubernetesTypes, Schema

_BOUNDS: Final = (
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "pattern",
    "enum",
)
_KUBERNETES: Final = "x-kubernetes-"


class Embedded(Schema):
    """The schema of one of Kubernetes' own types: long, and not interesting to readers of the CRD."""


def model_schema(model: type[BaseModel], kubernetes: KubernetesTypes) -> Schema:
    """The schema of `model`: no references, no field lost, and only defaults that the API server stores.

    Raises ValueError for anything that a structural schema cannot express.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _Converter(document.get("$defs", {}), kubernetes).convert(document)


class _Converter:
    def __init__(self, definitions: Mapping[str, Schema], kubernetes: KubernetesTypes) -> None:
        self._definitions = definitions
        self._kubernetes = kubernetes

    def convert(self, node: Schema) -> Schema:
        node = self._resolved(node)
        described = {"description": node["description"]} if "description" in node else {}
        if "x-embedded" in node:
            return Embedded({**described, **self._kubernetes.schema(node["x-embedded"])})
        schema: Schema = described | {"type": self._type(node)}
        schema |= {key: node[key] for key in _BOUNDS if key in node}
        schema |= {key: value for key, value in node.items() if key.startswith(_KUBERNETES)}
        if "const" in node:
            schema["enum"] = [node["const"]]
        if "exclusiveMinimum" in node:
            schema["minimum"] = node["exclusiveMinimum"] + 1
        if node.get("x-stored-default"):
            schema["default"] = node["default"]
        return schema | self._inner(node)

    def _inner(self, node: Schema) -> Schema:
        if node["type"] == "integer":
            return {"format": "int32"}
        if node["type"] == "array":
            return {"items": self.convert(node["items"])}
        if node["type"] != "object":
            return {}
        if "properties" not in node:
            return {"additionalProperties": self.convert(node["additionalProperties"])}
        properties = {name: self.convert(value) for name, value in node["properties"].items()}
        required = {"required": sorted(node["required"])} if node.get("required") else {}
        return {**required, "properties": properties, f"{_KUBERNETES}preserve-unknown-fields": True}

    def _resolved(self, node: Schema) -> Schema:
        """`node` without references, and without the null for absent fields."""
        if "$ref" in node:
            definition = self._definitions[node["$ref"].rpartition("/")[2]]
            return {**definition, **{key: value for key, value in node.items() if key != "$ref"}}
        if "anyOf" in node:
            choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
            if len(choices) != 1:
                raise ValueError(f"a structural schema cannot say {node['anyOf']}")
            return {
                **self._resolved(choices[0]),
                **{key: value for key, value in node.items() if key != "anyOf"},
            }
        return node

    @staticmethod
    def _type(node: Schema) -> Any:  # noqa: ANN401 - as JSON schema has it
        if "type" not in node:
            raise ValueError(f"a structural schema needs a type: {node}")
        return node["type"]
