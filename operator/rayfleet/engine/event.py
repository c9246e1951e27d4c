"""An event of a pass, as a value."""

from msgspec import Struct
from msgspec.structs import replace

LONGEST_NOTE = 1024
"""Bytes; the API server refuses a longer note."""


class Event(Struct, frozen=True):
    """An event about a root (events.k8s.io/v1)."""

    type: str
    reason: str
    action: str
    note: str
    heard: bool = False
    """Whether a head's answers caused it, so that there may be one each second."""
    settles: str = ""
    """The reason of a warning that this event ends: the next one of that reason is posted again."""

    def shortened(self) -> "Event":
        """With a note short enough for the API server."""
        return (
            self
            if len(self.note.encode()) <= LONGEST_NOTE
            else replace(self, note=_cut(self.note, LONGEST_NOTE))
        )

    def with_more(self, count: int) -> "Event":
        """As the last one of several."""
        more = f" (and {count} more of this kind before)"
        return replace(self, note=_cut(self.note, LONGEST_NOTE - len(more)) + more)


def _cut(note: str, longest: int) -> str:
    return note if len(note.encode()) <= longest else note.encode()[:longest].decode(errors="ignore")
