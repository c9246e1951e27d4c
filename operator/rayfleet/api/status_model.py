"""What the models of statuses share: a part of a status is its JSON, seen through the fields of its model.

Anyone who may write a status can write anything into it. So a value is read when it is asked for, and one of
another type or out of bounds reads as absent: readers need not check again. Fields that the model does not
know are kept when a part is changed, as they belong to somebody else.

The fields of a model are its annotations: the type, the allowed values, and a description. The CRD's schema
and the reference page are generated from them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import get_annotations
from types import MappingProxyType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    NamedTuple,
    Self,
    TypeAlias,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
)

from msgspec import Struct
from pydantic.alias_generators import to_camel

from rayfleet.api.base import INT32_MAX

T = TypeVar("T")
P = TypeVar("P", bound="StatusPart")

LONGEST_TIME: Final = 35
"""Characters, with nanoseconds and a zone offset; the schema accepts any number of digits."""
MOST_RECORDED: Final = 900_000_000
"""Names have nine digits: above this there is still room for all pods that will ever exist."""
_INT64_MAX: Final = 2**63 - 1
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Scalar(Struct, frozen=True, eq=False):
    """What one value may be."""

    schema: Mapping[str, Any]
    """The schema in the CRD; `x-embedded` names a Kubernetes type."""
    read: Callable[[Any], Any]
    """Reads JSON; for invalid JSON and for None, returns what stands for an absent value."""


class Named(NamedTuple):
    """The name of a field on the wire, if it is not its name here in camel case."""

    wire_name: str


REQUIRED: Final = object()
"""Marks a field without which the API server refuses a part."""


class ListKey(NamedTuple):
    """The field that identifies the entries of a list."""

    wire_name: str


def _text(value: object) -> str:
    """Any text; anything else reads as empty."""
    return value if isinstance(value, str) else ""


def _time(value: object) -> str | None:
    """Text that can be a time (RFC 3339); anything else reads as None."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_TIME else None


def _whole(most: int) -> Callable[[object], int | None]:
    """Reads a number from 0 to `most`. True is not a number, although Python thinks so."""
    return lambda value: value if type(value) is int and 0 <= value <= most else None


recorded_number: Final = _whole(MOST_RECORDED)
"""A number from which names are counted on; None if it cannot be ours.

Anyone who may write a status can write any number: above this one, names would soon have too many digits.
"""


def _quantity(value: object) -> str:
    return str(value) if type(value) is int and value >= 0 else _text(value)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def choice(*values: str) -> Scalar:
    """One of a few texts; any other reads as empty."""
    schema = {"type": "string", "enum": list(values)}
    return Scalar(schema, lambda value: value if isinstance(value, str) and value in values else "")


Text: TypeAlias = Annotated[str, Scalar({"type": "string"}, _text)]
Time: TypeAlias = Annotated[str | None, Scalar({"x-embedded": "Time"}, _time)]
Size: TypeAlias = Annotated[int | None, Scalar({"type": "integer", "format": "int32"}, _whole(INT32_MAX))]
Count: TypeAlias = Annotated[
    int | None, Scalar({"type": "integer", "format": "int32", "default": 0}, _whole(INT32_MAX))
]
"""A size that is always there once there is a status, as the API server fills it in."""
Number: TypeAlias = Annotated[int | None, Scalar({"type": "integer", "format": "int32"}, recorded_number)]
Generation: TypeAlias = Annotated[
    int | None, Scalar({"type": "integer", "format": "int64"}, _whole(_INT64_MAX))
]
Quantity: TypeAlias = Annotated[str, Scalar({"x-embedded": "Quantity"}, _quantity)]
Flag: TypeAlias = Annotated[bool | None, Scalar({"type": "boolean"}, _flag)]


class Field(property):
    """One field of a model: on the class it is this object, on a part it is the value."""

    def __init__(self, name: str, annotation: Any) -> None:  # noqa: ANN401 - any type
        hint, *notes = get_args(annotation)
        self.required = REQUIRED in notes
        names = (note.wire_name for note in notes if isinstance(note, Named))
        self.wire_name: str = next(names, to_camel(name))
        self.key: str = next((note.wire_name for note in notes if isinstance(note, ListKey)), "")
        self.description: str = next((note for note in notes if isinstance(note, str)), "")
        self.of: Any = next((note for note in notes if isinstance(note, Scalar)), hint)
        """A scalar, a model, or a map or tuple of either."""
        read, self.write = _read_and_write(self.of)
        super().__init__(_getter(name, self.wire_name, read, kept=get_origin(hint) is tuple))


def _getter(
    name: str, wire_name: str, read: Callable[[Any], Any], *, kept: bool
) -> Callable[["StatusPart"], Any]:
    """Reads a field of a part; with `kept`, it is read only once."""

    def value(part: "StatusPart") -> Any:  # noqa: ANN401 - any type
        return read(part.wire.get(wire_name))

    def value_kept(part: "StatusPart") -> Any:  # noqa: ANN401 - any type
        return part.once(name, lambda: read(part.wire.get(wire_name)))

    return value_kept if kept else value


@dataclass_transform(kw_only_default=True, frozen_default=True)
class StatusPart:
    """A part of a status. Made from fields, it is something to write; made by `recorded`, it is stored."""

    __slots__ = ("kept", "wire")
    wire: Mapping[str, Any]
    """The part as JSON. It is shared with its readers and must not be changed."""
    kept: dict[str, Any] | None
    """Values that took long to read."""
    fields: ClassVar[Mapping[str, Field]]
    names: ClassVar[Mapping[str, str]]
    """The name of each field on the wire."""
    writers: ClassVar[Mapping[str, Callable[[Any], Any]]]
    """Convert values to JSON, for fields whose values are not JSON."""

    def __init_subclass__(cls) -> None:
        cls.fields = {name: Field(name, annotation) for name, annotation in get_annotations(cls).items()}
        cls.names = {name: field.wire_name for name, field in cls.fields.items()}
        cls.writers = {name: field.write for name, field in cls.fields.items() if field.write is not None}
        for name, field in cls.fields.items():
            setattr(cls, name, field)

    def __init__(self, **given: Any) -> None:
        """Make a part with these fields; those that are None are left out."""
        names, writers = self.names, self.writers
        self.kept = None
        self.wire = wire = {}
        for name, value in given.items():
            if value is not None:
                wire[names[name]] = writers[name](value) if name in writers else value

    @classmethod
    def recorded(cls, wire: object) -> Self:
        """A stored part, whatever it holds."""
        return _stored(cls, wire if type(wire) is dict or isinstance(wire, Mapping) else _NOTHING)

    def once(self, what: str, make: Callable[[], T]) -> T:
        """The result of the first call of `make` for `what`."""
        if self.kept is None:
            self.kept = {}
        if what not in self.kept:
            self.kept[what] = make()
        made: T = self.kept[what]
        return made

    def __or__(self, other: Self) -> Self:
        """This part, with the fields of the other replacing its own."""
        return self.updated((other,))

    def updated(self, others: Iterable[Self]) -> Self:
        """This part, with the fields of the others replacing its own, one after the other."""
        wire = dict(self.wire)
        for other in others:
            wire.update(other.wire)
        return _stored(type(self), wire)

    def without(self, *names: str) -> Self:
        """This part without these fields."""
        there = [self.names[name] for name in names if self.names[name] in self.wire]
        if not there:
            return self
        return _stored(type(self), {name: value for name, value in self.wire.items() if name not in there})

    def only(self, *names: str) -> Self:
        """This part with only these fields, as they are stored."""
        wire, kept = self.wire, [self.names[name] for name in names]
        return _stored(type(self), {name: wire[name] for name in kept if name in wire})

    def has(self, name: str) -> bool:
        """Whether a field is there, even with a value that reads as absent."""
        return self.names[name] in self.wire

    def __bool__(self) -> bool:
        return bool(self.wire)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.wire)})"


def _read_and_write(kind: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any] | None]:  # noqa: ANN401
    """A function that reads JSON, and one that writes it; None if the value itself is JSON."""
    if isinstance(kind, Scalar):
        return kind.read, None
    if isinstance(kind, type) and issubclass(kind, StatusPart):
        return lambda value: _stored(kind, value if type(value) is dict else _NOTHING), _wire
    inner = item_of(kind)
    if get_origin(kind) is tuple:
        if isinstance(inner, Scalar):
            return lambda value: _texts(inner, value), list
        return lambda value: _parts(inner, value), _wires
    return lambda value: _map(inner, value), dict


def item_of(kind: Any) -> Any:  # noqa: ANN401 - as of a field
    """The scalar or the model of the values of a map or a tuple."""
    inner = next(part for part in get_args(kind) if part not in {str, Ellipsis})
    return next((part for part in get_args(inner) if isinstance(part, Scalar)), inner)


def _stored(model: type[P], wire: Mapping[str, Any]) -> P:
    part = object.__new__(model)
    part.wire = wire
    part.kept = None
    return part


def _wire(part: StatusPart) -> Mapping[str, Any]:
    return part.wire


def _wires(parts: Iterable[StatusPart]) -> Sequence[Mapping[str, Any]]:
    return [part.wire for part in parts]


def _parts(model: type[P], value: object) -> tuple[P, ...]:
    """The entries that are objects."""
    if not isinstance(value, list):
        return ()
    return tuple([_stored(model, entry) for entry in value if isinstance(entry, dict)])


def _texts(kind: Scalar, value: object) -> tuple[Any, ...]:
    """The entries that are valid."""
    return tuple([entry for entry in value if _is(kind, entry)]) if isinstance(value, list) else ()


def _map(kind: Scalar, value: object) -> Mapping[str, Any]:
    """The values that are valid, by name."""
    return (
        {name: entry for name, entry in value.items() if _is(kind, entry)} if isinstance(value, dict) else {}
    )


def _is(kind: Scalar, value: object) -> bool:
    return value is not None and bool(kind.read(value) == value)
