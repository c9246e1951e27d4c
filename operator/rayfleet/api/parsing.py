"""Parses the JSON of a spec into its model, or into violations."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from rayfleet.api.base import ApiModel
from rayfleet.api.nesting import DEEPEST, too_deep
from rayfleet.api.violation import Violation

M = TypeVar("M", bound=ApiModel)

_LONGEST_EXCERPT: Final = 60


def parse_as(model: type[M], spec: object) -> M | tuple[Violation, ...]:
    """The model of `spec`, or every field whose type is wrong. Does not raise for any JSON value."""
    if not isinstance(spec, Mapping):
        return (Violation("spec", f"must be an object, but is {_excerpt(spec)}."),)
    if (field := too_deep(spec)) is not None:
        message = f"is nested too deeply: use at most {DEEPEST} levels of objects and lists in the spec."
        return (Violation(field, message),)
    try:
        return model.model_validate(spec)
    except ValidationError as wrong:
        return violations_of(wrong)


def violations_of(wrong: ValidationError, root: str = "spec") -> tuple[Violation, ...]:
    """Every field that pydantic objects to, in sentences; all paths start with `root`."""
    errors = wrong.errors(include_url=False, include_context=True)
    return tuple(_violation(error, root) for error in errors)


_MAPS: Final = frozenset(
    {
        *("rayStartParams", "resources", "labels", "annotations", "headServiceAnnotations"),
        *("metadata", "clusterSelector"),
    }
)
"""Fields of a spec whose keys are chosen by users: in paths these keys are in brackets."""


def field_path(location: tuple[int | str, ...], root: str = "spec") -> str:
    """`("workerGroupSpecs", 1, "minReplicas")` as `spec.workerGroupSpecs[1].minReplicas`."""
    path, is_key = root, False
    for part in location:
        named = isinstance(part, str) and part.isidentifier() and not is_key
        path += f".{part}" if named else f"[{part}]"
        is_key = root == "spec" and part in _MAPS
    return path


def _violation(error: Mapping[str, Any], root: str) -> Violation:
    location = tuple(part for part in error["loc"] if part != "[key]")
    sentence = _SENTENCES.get(error["type"], _by_pydantic)
    return Violation(field_path(location, root), sentence(error))


def _excerpt(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}..."


def _wrong_type(wanted: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda error: f"must be {wanted}, but is {_excerpt(error['input'])}."


def _literal(error: Mapping[str, Any]) -> str:
    return f"must be {error['ctx']['expected']}, but is {_excerpt(error['input'])}."


def _bound(relation: str, key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda error: f"must be {relation} {error['ctx'][key]}, but is {_excerpt(error['input'])}."


def _by_pydantic(error: Mapping[str, Any]) -> str:
    message = str((error.get("ctx") or {}).get("error") or error["msg"])
    return f"{message}, but is {_excerpt(error['input'])}."


_SENTENCES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "is required: set it.",
    "extra_forbidden": lambda _: "is not known: check its spelling, or remove it.",
    "string_type": _wrong_type("text"),
    "float_type": _wrong_type("a number"),
    "finite_number": _wrong_type("a finite number"),
    "string_unicode": _wrong_type("valid Unicode text"),
    "dict_type": _wrong_type("an object"),
    "model_type": _wrong_type("an object"),
    "model_attributes_type": _wrong_type("an object"),
    "tuple_type": _wrong_type("a list"),
    "literal_error": _literal,
    "greater_than_equal": _bound("at least", "ge"),
    "greater_than": _bound("more than", "gt"),
    "too_long": lambda error: f"must have at most {error['ctx']['max_length']} entries: remove some of them.",
    "less_than_equal": _bound("at most", "le"),
}
