"""Objects that were deleted recently."""

REMEMBERED = 10_000
"""Deletions. The oldest are forgotten first: an answer that old would have timed out long before."""


class Tombstones:
    """The resourceVersion up to which each uid is known to be gone.

    An old list or the late answer to a write may still show an object that has been deleted since. A
    *later* version is believed: an object that lost the label we select by, and got it back, is not gone.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._gone: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self._gone)

    def bury(self, uid: str, resource_version: int | None) -> None:
        """Record a deletion seen at `resource_version`; None means that the uid is gone for good."""
        before = self._gone.pop(uid, 0)
        later = None if resource_version is None or before is None else max(before, resource_version)
        self._gone[uid] = later
        if len(self._gone) > self._remembered:
            del self._gone[next(iter(self._gone))]

    def covers(self, uid: str, resource_version: int) -> bool:
        """Whether this version of the object is from before its deletion."""
        gone = self._gone.get(uid, 0)
        return gone is None or resource_version <= gone

    def clear(self) -> None:
        """Forget everything: the server's history was rewound."""
        self._gone.clear()
