"""How deep a spec may be nested. Anything deeper is cut off, and the spec is marked as cut.

An API server accepts 10,000 levels; the JSON library here accepts fewer, and would fail in every pass.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

DEEPEST: Final = 250
"""Levels of a spec, including the spec itself. What we write from it must be writable, too."""
TOO_DEEP: Final = "$tooDeep"
"""The key under which a cut spec names the field at fault; such a spec is never acted on."""
_KEPT: Final = 32
"""Levels kept of a spec that is too deep. All fields that are read without validation are above."""
_LONGEST_PATH: Final = 100


def shallow(value: Mapping[str, Any]) -> dict[str, Any]:
    """The upper levels of a JSON object that is too deep to be kept."""
    return {name: _cut(inner, 2) for name, inner in value.items()}


def shallow_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`shallow`, with the field at fault under `TOO_DEEP`."""
    return {**shallow(spec), TOO_DEEP: _path_above_the_deepest(spec)}


def too_deep(spec: Mapping[str, Any]) -> str | None:
    """The field of a spec that is nested too deeply, already cut or not; None if there is none."""
    if TOO_DEEP in spec:
        return str(spec[TOO_DEEP])
    try:
        orjson.dumps(spec)  # A hundredth of the time that validation takes; it fails above `DEEPEST`.
    except orjson.JSONEncodeError:
        return _path_above_the_deepest(spec)
    return None


def _cut(value: object, level: int) -> object:
    if isinstance(value, dict):
        return {name: _cut(inner, level + 1) for name, inner in value.items()} if level <= _KEPT else None
    if isinstance(value, list):
        return [_cut(inner, level + 1) for inner in value] if level <= _KEPT else None
    return value


def _path_above_the_deepest(spec: Mapping[str, Any]) -> str | None:
    """The path to the first value deeper than `DEEPEST` levels, or the start of that path. Not recursive."""
    walks, parts = [_inside(spec)], ["spec"]
    while walks:
        deeper = next(walks[-1], None)
        if deeper is None:
            walks.pop()
            parts.pop()
            continue
        part, inner = deeper
        parts.append(part)
        walks.append(_inside(inner))
        if len(walks) > DEEPEST:
            break
    path = "".join(parts)
    if not path:
        return None
    return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}..."


def _inside(value: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    """The objects and lists in a value, each with its part of the path."""
    if isinstance(value, Mapping):
        return ((f".{key}", inner) for key, inner in value.items() if isinstance(inner, dict | list))
    return ((f"[{index}]", inner) for index, inner in enumerate(value) if isinstance(inner, dict | list))
