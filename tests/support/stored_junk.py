"""Whatever somebody may have written into a status, and whether it reads as the model says."""

from typing import Any, get_origin

from rayfleet.api.status_model import Scalar, StatusPart, item_of
from support.structural_schema import faults

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 2**31, 2**63, 10**30, 0.5, "", "x", "-1", "y" * 100_000),
    *([], [None], [[]], ["x", 1], [{}], [{"type": []}], [{"groupName": {}}]),
    *({}, {"x": None}, {"x": {}}, {"x": ["x"]}, {"queue": 1, "unserved": {"x": 1}}, {"podName": 7}),
]


def is_sound(of: Any, value: object) -> bool:  # noqa: ANN401 - as of a field
    """Whether a field has a value of its type, or is absent."""
    if isinstance(of, Scalar):
        absent = of.read(None)
        schema = {"type": "string"} if "x-embedded" in of.schema else of.schema
        return (type(value) is type(absent) and value == absent) or not list(faults(schema, value))
    if isinstance(of, type) and issubclass(of, StatusPart):
        return isinstance(value, of) and all(
            is_sound(f.of, getattr(value, name)) for name, f in of.fields.items()
        )
    if get_origin(of) is tuple:
        return isinstance(value, tuple) and all(is_sound(item_of(of), one) for one in value)
    return isinstance(value, dict) and all(is_sound(item_of(of), one) for one in value.values())
