"""Compares statuses. Pure."""

from collections.abc import Mapping
from typing import Any

from rayfleet.kube.objects.keys import JsonObject


def is_reported(status: JsonObject) -> bool:
    """Whether we have ever written this status; what only others put there does not count."""
    return bool(status.get("conditions"))


def status_patch(before: JsonObject, after: JsonObject) -> dict[str, Any]:
    """The merge patch (RFC 7386) from one status to the other; empty when nothing differs."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value:
            continue
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            patch[name] = status_patch(old, value)
        else:
            patch[name] = value
    return patch
