"""Reading pod templates, in which anything may be absent or null."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object under construction; parts that it shares with a spec are never changed."""


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in `value` if it is a list."""
    return [item for item in items(value) if isinstance(item, Mapping)]


def text(value: object) -> str:
    """`value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> dict[str, str]:
    """`value` as labels or annotations, without entries that are not strings."""
    return {key: entry for key, entry in mapping(value).items() if isinstance(entry, str)}


def ray_container(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that runs Ray: by convention the first."""
    containers = items(mapping(template.get("spec")).get("containers"))
    return mapping(containers[0]) if containers else {}
