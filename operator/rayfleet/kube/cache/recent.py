"""What was used last, within a number and a total size: for what is cheaper to keep than to repeat."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LARGE: Final = 8
"""An entry is large if it takes more than this part of the total."""


class Recent(Generic[K, V]):
    """A cache of at most `most` entries, whose sizes add up to at most `largest`.

    The entry used least recently goes first. Of large entries only the newest is kept, whatever its size and
    beside the others: its user is about to ask for it again, and it must not take the place of many that are
    small. The caller says what a size is.
    """

    def __init__(self, most: int, largest: int) -> None:
        self._most = most
        self._largest = largest
        self._size = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._large: tuple[K, V] | None = None

    def get(self, key: K) -> V | None:
        """The entry, which counts as used; None if there is none."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry[0]
        large = self._large
        return large[1] if large is not None and large[0] == key else None

    def put(self, key: K, value: V, size: int) -> None:
        """Add an entry, or replace it."""
        self.drop(key)
        if size * LARGE > self._largest:
            self._large = key, value
            return
        self._entries[key] = value, size
        self._size += size
        while len(self._entries) > self._most or self._size > self._largest:
            _, (_, given_back) = self._entries.popitem(last=False)
            self._size -= given_back

    def drop(self, key: K) -> None:
        """Remove an entry, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry[1]
        elif self._large is not None and self._large[0] == key:
            self._large = None
