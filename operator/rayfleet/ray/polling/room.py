"""Which answers of all heads are kept in memory, shared fairly by namespace. No I/O here.

A tenant may have any number of heads, each with an answer within its bounds. If all answers together are too
large, the namespace that holds most gives way, so one that holds little never loses to another.
"""

from collections import Counter
from typing import Final, NamedTuple

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kube.objects.keys import Key

MOST_KEPT: Final = 128 << 20
"""Estimated bytes of all answers: those of a thousand clusters with three workers take 7 MiB."""


class GivesWay(NamedTuple):
    """An answer that is not kept."""

    key: Key
    failure: GcsFailure
    """What its cluster gets instead."""


class AnswerRoom:
    """The bytes kept for each cluster."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._sizes: dict[Key, int] = {}
        self._by_namespace: Counter[str] = Counter()
        self._all = 0

    @property
    def taken(self) -> int:
        """The bytes of all answers."""
        return self._all

    def keep(self, key: Key, size: int) -> tuple[GivesWay, ...]:
        """Keep an answer of `key` instead of its last one; return the answers that give way.

        That may be this one alone, and then the previous answer of `key` stays. Other clusters are considered
        only if there is too much.
        """
        before = self._sizes.get(key, 0)
        self._set(key, size)
        gone: list[tuple[GivesWay, int]] = []
        while self._all > self._most:
            largest = self._largest(key)
            gives_way = GivesWay(largest, self._failure(largest))
            if largest == key:
                self._set(key, before)
                for (other, _), taken in gone:
                    self._set(other, taken)
                return (gives_way,)
            gone.append((gives_way, self._sizes[largest]))
            self._set(largest, 0)
        return tuple(answer for answer, _ in gone)

    def forget(self, key: Key) -> None:
        """Drop what is kept for `key`."""
        self._set(key, 0)

    def _set(self, key: Key, size: int) -> None:
        by = size - self._sizes.get(key, 0)
        if not by:
            return
        self._all += by
        self._by_namespace[key.namespace] += by
        if size:
            self._sizes[key] = size
            return
        del self._sizes[key]
        if not self._by_namespace[key.namespace]:
            del self._by_namespace[key.namespace]

    def _largest(self, newest: Key) -> Key:
        """The largest answer in the namespace that holds most; of equals the newest, so none alternate."""
        most = max(
            self._by_namespace, key=lambda name: (self._by_namespace[name], name == newest.namespace, name)
        )
        keys = (key for key in self._sizes if key.namespace == most)
        return max(keys, key=lambda key: (self._sizes[key], key == newest, key))

    def _failure(self, key: Key) -> GcsFailure:
        message = (
            f"its answer is too large: with it, all answers of this namespace together take "
            f"{self._by_namespace[key.namespace] >> 20} MiB, more than those of any other, and those of all "
            f"namespaces more than the {self._most >> 20} MiB that are kept"
        )
        return GcsFailure(GcsTrouble.TOO_LARGE, message)
