"""The tables of a documentation page that lists every field of a spec."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rayfleet.api.base import ApiModel

_SPEC: Final = "spec"


@dataclass(frozen=True)
class FieldReference:
    """The parts of a spec, each with a table of its fields."""

    model: type[ApiModel]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Parts that another page describes, with the links to them."""
    remark: Callable[[Iterable[str]], str] = lambda _: ""
    """What else there is to say about a field or a part at these paths; it begins with a space."""

    def sections(self) -> str:
        """A section for each part, in Markdown."""
        document = self.model.model_json_schema(by_alias=True, mode="validation")
        root = self.model.__name__
        parts: dict[str, Any] = {root: document, **document.get("$defs", {})}
        order = list(dict.fromkeys(self._reachable(root, parts)))
        places = self._places(root, parts)
        return "".join(self._section(name, parts, places[name]) for name in order)

    def _places(self, root: str, parts: Mapping[str, Any]) -> Mapping[str, list[str]]:
        """The paths of each part in a manifest, without list indexes."""
        places: defaultdict[str, list[str]] = defaultdict(list)

        def visit(name: str, path: str) -> None:
            places[name].append(path)
            for named, schema in parts[name]["properties"].items():
                for inner in self._references(schema):
                    visit(inner, f"{path}.{named}")

        visit(root, _SPEC)
        return places

    def _reachable(self, name: str, parts: Mapping[str, Any]) -> Iterator[str]:
        yield name
        for schema in parts[name]["properties"].values():
            for inner in self._references(schema):
                yield from self._reachable(inner, parts)

    def _references(self, node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a schema
        if isinstance(node, dict):
            if "$ref" in node and _referred(node) not in self.elsewhere:
                yield _referred(node)
            for value in node.values():
                yield from self._references(value)
        elif isinstance(node, list):
            for value in node:
                yield from self._references(value)

    def _section(self, name: str, parts: Mapping[str, Any], places: Iterable[str]) -> str:
        part = parts[name]
        title = _SPEC if name == self.model.__name__ else name
        required = part.get("required", ())
        rows = [
            (
                f"`{named}`",
                self._type(schema),
                _default(schema, required=named in required),
                _meaning(schema, parts) + self.remark(f"{place}.{named}" for place in places),
            )
            for named, schema in part["properties"].items()
        ]
        head = (("field", "type", "default", "meaning"), ("---",) * 4)
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in (*head, *rows))
        return f"\n## {title}\n\n{part['description']}{self.remark(places)}\n\n{table}\n"

    def _type(self, schema: Mapping[str, Any]) -> str:
        if "x-embedded" in schema:
            return str(schema["x-embedded"])
        if "$ref" in schema:
            name = _referred(schema)
            return f"[{name}]({self.elsewhere.get(name, f'#{name.lower()}')})"
        if "anyOf" in schema:
            bounds = {key: schema[key] for key in ("minimum", "maximum") if key in schema}
            return self._type(schema["anyOf"][0] | bounds)
        if "enum" in schema or "const" in schema:
            return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
        if schema["type"] == "array":
            return f"list of {self._type(schema['items'])}"
        if schema["type"] == "object":
            return f"map to {self._type(schema['additionalProperties'])}"
        return str(schema["type"]) + _bounds(schema)


def _referred(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _meaning(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    # Pydantic omits a field's description that repeats its type's.
    described = schema if "description" in schema else parts[_referred(schema)]
    return str(described["description"])


def _bounds(schema: Mapping[str, Any]) -> str:
    if schema["type"] != "integer":  # Those of a number are Go's.
        return ""
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
