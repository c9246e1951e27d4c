"""Equal strings of many objects, kept as one string in memory."""

from typing import Any, get_origin

from msgspec.structs import fields, force_setattr

MOST = 20_000
"""Values kept. Beyond that, sharing starts over: it saves memory, and nothing depends on it."""
UNIQUE = frozenset({"name", "uid", "pod_ip", "host", "end"})
"""Fields whose value no other object has."""


class Interner:
    """Gives the objects of one class their namespace, node name, group, owner ... from a common pool.

    The elements of a tuple are shared, too: nodes have most of their labels in common, but never all.
    Values are replaced by equal ones, so no reader of an object sees a difference.
    """

    def __init__(self, kind: type[Any], most: int = MOST) -> None:
        self._most = most
        self._pool: dict[Any, Any] = {}
        self._names = tuple(f.name for f in fields(kind) if f.name not in UNIQUE and _worth_sharing(f.type))
        self._tuples = frozenset(f.name for f in fields(kind) if get_origin(f.type) is tuple)

    def intern(self, obj: Any) -> None:  # noqa: ANN401 - a struct, and what a store asks of it
        """Share the values of `obj`, which nothing else holds yet."""
        pool = self._pool
        for name in self._names:
            value = own = getattr(obj, name)
            if own and name in self._tuples:
                value = tuple(pool.setdefault(each, each) for each in own)
            shared = pool.setdefault(value, value)
            if shared is not own:
                force_setattr(obj, name, shared)  # It is frozen, but an equal value is no change.
        if len(pool) > self._most:
            pool.clear()


def _worth_sharing(annotation: Any) -> bool:  # noqa: ANN401 - a field's type is any annotation
    return annotation not in {int, float, bool} and annotation != int | None
