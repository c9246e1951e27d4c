"""How much of the answers of all heads is kept, shared fairly by namespace. No I/O here.

A tenant has as many heads as it likes, each with an answer within its bounds. Where all answers together are
too much, the namespace that holds most gives way, so one that holds little never does for another's sake.
"""

from collections import Counter
from typing import Final, NamedTuple

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kube.objects.keys import Key

MOST_KEPT: Final = 128 << 20
"""Bytes of all answers, as they are estimated: those of a thousand clusters with three workers take 7 MiB."""


class GivesWay(NamedTuple):
    """An answer that is not kept."""

    key: Key
    failure: GcsFailure
    """What its cluster is told instead."""


class Room:
    """What is kept of each cluster, in bytes."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._sizes: dict[Key, int] = {}
        self._of: Counter[str] = Counter()
        self._all = 0

    @property
    def taken(self) -> int:
        """What all answers take."""
        return self._all

    def keep(self, key: Key, size: int) -> tuple[GivesWay, ...]:
        """Keep an answer of `key` instead of its last one; which answers give way, it may be this one alone.

        If so, what was kept of `key` before still is. Looks at other clusters only where there is too much.
        """
        before = self._sizes.get(key, 0)
        self._set(key, size)
        gone: list[tuple[GivesWay, int]] = []
        while self._all > self._most:
            one = self._largest(key)
            gives_way = GivesWay(one, self._failure(one))
            if one == key:
                self._set(key, before)
                for (other, _), taken in gone:
                    self._set(other, taken)
                return (gives_way,)
            gone.append((gives_way, self._sizes[one]))
            self._set(one, 0)
        return tuple(one for one, _ in gone)

    def forget(self, key: Key) -> None:
        """Nothing is kept of `key` any more."""
        self._set(key, 0)

    def _set(self, key: Key, size: int) -> None:
        by = size - self._sizes.get(key, 0)
        if not by:
            return
        self._all += by
        self._of[key.namespace] += by
        if size:
            self._sizes[key] = size
            return
        del self._sizes[key]
        if not self._of[key.namespace]:
            del self._of[key.namespace]

    def _largest(self, newest: Key) -> Key:
        """The largest answer of the namespace that holds most; of equals the newest: none takes turns."""
        most = max(self._of, key=lambda name: (self._of[name], name == newest.namespace, name))
        of = (key for key in self._sizes if key.namespace == most)
        return max(of, key=lambda key: (self._sizes[key], key == newest, key))

    def _failure(self, key: Key) -> GcsFailure:
        words = (
            f"its answer is too large: with it, all answers of this namespace together take "
            f"{self._of[key.namespace] >> 20} MiB, more than those of any other, and those of all namespaces "
            f"more than the {self._most >> 20} MiB that are kept"
        )
        return GcsFailure(GcsTrouble.TOO_LARGE, words)
