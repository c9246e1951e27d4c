"""Pod templates and specs that are odd in a place or a few: what users, generators or attackers may store.

The places are those of Kubernetes' own schema, reached with as little else as the schema requires, so that
an API server judges the odd value and nothing beside it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, ...]

ODD_VALUES: Final[Sequence[object]] = (
    *(None, True, False, [], {}, [None], [[]], [{}], {"a": None}, {"a": 1}, {"a": "b"}, ["a", "a"]),
    *(0, 1, -1, 65536, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30, 0.5, 2.0, -0.0, 1e300),
    *("", "A b", "\x00", "9" * 400),
    *["a", "é", "true", "null", "1", "-1", "+1", "1.5", "5.", ".5", ".", "٣", "50%", "0x1", "NaN"],
    *["1e3", "1E3", "1e+3", "1e99", "1e1000", "1e", "1.5Gi", "1Ki", "1K", "1ki", "1E", "1Ei"],
    *["2026-02-28T23:59:59Z", "2026-02-28t23:59:59z", "2026-02-29T00:00:00Z", "2026-02-28T23:59:60Z"],
    *["2026-02-28T23:59:59.999999999999+23:59", "2026-02-28T23:59:59-24:00", "2026-02-28", "26-02-28"],
)
_ITEM: Final = "[]"
_ENTRY: Final = "{}"


def _ordinary_template() -> dict[str, Any]:
    limits = {"cpu": "1", "memory": "1Gi"}
    return {
        "spec": {
            "containers": [
                {"name": "ray", "image": "example.org/ray:2.60.0", "resources": {"limits": limits}}
            ]
        }
    }


@dataclass(frozen=True)
class OddTemplates:
    """Makes templates from the schema of a pod template, or specs from another one."""

    schema: Schema
    ordinary: Callable[[], dict[str, Any]] = _ordinary_template
    """Makes one that is not odd."""

    def places(self) -> Sequence[Place]:
        """Every field, list item and map entry of a template."""
        return [place for place in _places(self.schema, ()) if place]

    def random(self, rng: random.Random, places: Sequence[Place]) -> dict[str, Any]:
        """A template with one to three odd `places`; sometimes a field also appears in another spelling."""
        template = self.ordinary()
        if "spec" in template and rng.random() < 0.05:
            spelt = {key.title(): value for key, value in template["spec"].items()}
            template["spec"] = {**spelt, **template["spec"]}
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            place, value = rng.choice(places), rng.choice(ODD_VALUES)
            template = self._placed(template, place, value)
        return template

    def _placed(self, template: dict[str, Any], place: Place, value: object) -> dict[str, Any]:
        surroundings = _built(self.schema, place, value, required=True)
        placed: dict[str, Any] = _merged(_merged(surroundings, template), _built(self.schema, place, value))
        return placed


def _places(schema: Schema, place: Place) -> Iterator[Place]:
    yield place
    for name, inner in schema.get("properties", {}).items():
        yield from _places(inner, (*place, name))
    if "items" in schema:
        yield from _places(schema["items"], (*place, _ITEM))
    if "additionalProperties" in schema:
        yield from _places(schema["additionalProperties"], (*place, _ENTRY))


def _built(schema: Schema, place: Place, value: object, *, required: bool = False) -> Any:  # noqa: ANN401 - JSON
    if not place:
        return value
    step, rest = place[0], place[1:]
    if step == _ITEM:
        return [_built(schema["items"], rest, value, required=required)]
    if step == _ENTRY:
        return {"a": _built(schema["additionalProperties"], rest, value, required=required)}
    inner = _built(schema["properties"][step], rest, value, required=required)
    return {**(_plain_fields(schema) if required else {}), step: inner}


def _plain_fields(schema: Schema) -> dict[str, Any]:
    return {name: _plain(schema["properties"][name]) for name in schema.get("required", ())}


def _plain(schema: Schema) -> Any:  # noqa: ANN401 - any part of a template
    if "pattern" in schema and schema.get("type") == "string":
        return "2026-01-01T00:00:00Z"
    plain: dict[str | None, object] = {"string": "a", "integer": 1, "boolean": True, "array": [], None: 1}
    return _plain_fields(schema) if schema.get("type") == "object" else plain[schema.get("type")]


def _merged(base: Any, odd: Any) -> Any:  # noqa: ANN401 - any part of a template
    if isinstance(base, dict) and isinstance(odd, dict):
        return {
            **base,
            **{key: _merged(base[key], inner) if key in base else inner for key, inner in odd.items()},
        }
    if isinstance(base, list) and isinstance(odd, list) and len(base) == len(odd) == 1:
        return [_merged(base[0], odd[0])]
    return odd
