"""The table of a status's fields in the reference, from the model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_origin

from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.api.status_model import Field, Scalar, StatusPart, item_of

BEGIN: Final = "<!-- Generated from the model of the status by `make crds`. Do not edit. -->\n"
END: Final = "<!-- End of what is generated. -->\n"
_ELSEWHERE: Final[Mapping[type[StatusPart], str]] = {
    RayClusterStatus: "[status of a RayCluster](status.md#fields)"
}
"""Parts that have a page of their own."""
_TYPES: Final = {
    "string": "text",
    "int32": "number",
    "int64": "number",
    "number": "number",
    "boolean": "true or false",
    "Time": "time",
    "Quantity": "quantity",
}


def status_reference(page: Path, model: type[StatusPart]) -> str:
    """The page with the table from the model; the rest of the page stays."""
    before, _, rest = page.read_text().partition(BEGIN)
    return before + BEGIN + table(model) + END + rest.partition(END)[2]


def table(model: type[StatusPart]) -> str:
    """One row per field, by path."""
    rows = "".join(f"| `{path}` | {of} | {meaning} |\n" for path, of, meaning in _rows(model, ""))
    return "| field | type | meaning |\n|---|---|---|\n" + rows


def _rows(model: type[StatusPart], above: str) -> Iterator[tuple[str, str, str]]:
    for field in model.fields.values():
        is_list = get_origin(field.of) is tuple
        path = f"{above}{field.wire_name}{'[]' if is_list else ''}"
        yield path, _type(field), field.description
        inner = item_of(field.of) if is_list else field.of
        if isinstance(inner, type) and issubclass(inner, StatusPart) and inner not in _ELSEWHERE:
            yield from _rows(inner, f"{path}.")


def _type(field: Field) -> str:
    if get_origin(field.of) is tuple:
        return f"list of {_named(item_of(field.of))}s"
    return _named(field.of)


def _named(of: Any) -> str:  # noqa: ANN401 - as of a field
    if isinstance(of, Scalar):
        schema = of.schema
        return _TYPES[schema.get("format") or schema.get("x-embedded") or schema["type"]]
    if isinstance(of, type) and issubclass(of, StatusPart):
        return _ELSEWHERE.get(of, "object")
    return f"map to {_named(item_of(of))}"
