"""Equal strings of many objects as one string in memory."""

from dataclasses import fields
from typing import Any, get_origin

MOST = 20_000
"""Values kept. When there are more, sharing starts anew: it saves memory, nothing depends on it."""
UNIQUE = frozenset({"name", "uid", "pod_ip", "host", "end"})
"""Fields whose value no other object has."""


class Interner:
    """Gives the objects of one class their namespace, node name, group, owner ... from a common pool.

    Of a tuple its elements are shared, too: nodes have most of their labels in common, but never all.
    Values are replaced by equal ones, so for everyone else an object stays as it was.
    """

    def __init__(self, kind: type[Any], most: int = MOST) -> None:
        self._most = most
        self._pool: dict[Any, Any] = {}
        self._names = tuple(f.name for f in fields(kind) if f.name not in UNIQUE and _worth_sharing(f.type))
        self._tuples = frozenset(f.name for f in fields(kind) if get_origin(f.type) is tuple)

    def intern(self, obj: object) -> None:
        """Share the values of `obj`, which nobody else holds yet."""
        pool = self._pool
        for name in self._names:
            value = found = getattr(obj, name)
            if found and name in self._tuples:
                value = tuple(pool.setdefault(each, each) for each in found)
            shared = pool.setdefault(value, value)
            if shared is not found:
                object.__setattr__(obj, name, shared)  # Frozen against change; this is none.
        if len(pool) > self._most:
            pool.clear()


def _worth_sharing(annotation: Any) -> bool:  # noqa: ANN401 - a field's type is any annotation
    return annotation not in {int, float, bool} and annotation != int | None
