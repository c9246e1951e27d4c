"""The schema of a status, from its model."""

from collections.abc import Mapping
from typing import Any, Final, get_origin

from crds.kubernetes_types import QUANTITY, TIME, Schema
from rayfleet.api.status_model import Field, Scalar, StatusPart, item_of

_EMBEDDED: Final[Mapping[str, Schema]] = {"Time": TIME, "Quantity": QUANTITY}


def status_schema(model: type[StatusPart]) -> Schema:
    """The schema of a part: no field is lost, known or not."""
    required = [field.wire_name for field in model.fields.values() if field.required]
    return {
        "type": "object",
        **({"required": required} if required else {}),
        "properties": {field.wire_name: _field(field) for field in model.fields.values()},
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _field(field: Field) -> Schema:
    described: Schema = {"description": field.description}
    if get_origin(field.of) is not tuple:
        return described | _value(field.of)
    keyed: Schema = {}
    if field.key:
        keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [field.key]}
    return described | {"type": "array", "items": _value(item_of(field.of)), **keyed}


def _value(of: Any) -> Schema:  # noqa: ANN401 - as of a field
    if isinstance(of, Scalar):
        return dict(_EMBEDDED.get(of.schema.get("x-embedded", ""), of.schema))
    if isinstance(of, type) and issubclass(of, StatusPart):
        return status_schema(of)
    return {"type": "object", "additionalProperties": _value(item_of(of))}
