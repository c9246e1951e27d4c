"""Reading a pod template, in which anything may be absent or null."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object that is being built; what it shares with a spec is never changed."""


def mapping(value: object) -> Mapping[str, Any]:
    """The object there, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """The list there, or an empty one."""
    return value if isinstance(value, list | tuple) else ()


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in the list there."""
    return [item for item in items(value) if isinstance(item, Mapping)]


def text(value: object) -> str:
    """The text there, or an empty one."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> dict[str, str]:
    """The object there as labels or annotations: entries that are no text are left out."""
    return {key: entry for key, entry in mapping(value).items() if isinstance(entry, str)}


def ray_container(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that runs Ray: by convention the first."""
    containers = items(mapping(template.get("spec")).get("containers"))
    return mapping(containers[0]) if containers else {}
