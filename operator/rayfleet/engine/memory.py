"""What the engine remembers of one root between passes. Losing it costs a restart nothing but time."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rayfleet.engine.kind import Look
from rayfleet.engine.pacing import Tellings, Topic

M = TypeVar("M")

CLOCK_JUMP = 2.0
"""Seconds by which two clocks have to come apart between two passes for one of them to have been set."""


@dataclass(slots=True)
class Remembered(Generic[M]):
    """Of one root, by uid: one that is made again under the same name starts afresh."""

    uid: str
    own: M
    """What its kind remembers."""
    term: int = 0
    """As the leader, in which it was begun; the next starts afresh, as another may have led in between."""
    verified_epoch: Hashable = None
    """The view epoch in which its children were last listed, or in which it was born; none before either."""
    newborn: bool = False
    """Its creation is all that has happened to it, as far as we know: nothing was written yet."""
    generation: int = 0
    """Of the spec in the last pass."""
    offset: float | None = None
    """Seconds from the loop's clock to Unix time, in the last pass."""
    rests_until: float = 0.0
    """Loop time until which it is left alone, as its last plan took long."""
    defect_told: int | None = None
    """The generation on which a pass has failed by a defect, and that was told."""
    status_written: float = float("-inf")
    """Loop time of the last write of the status."""
    status_changed: float | None = None
    """Loop time since when the status differs from the one that is stored, in what may wait."""
    status_due: float = 0.0
    """Loop time until which that change waits."""
    tellings: Tellings = field(default_factory=Tellings)

    def meet(self, generation: int, now: float, monotonic: float) -> Look:
        """The moment of a look at its root, and what has changed since the last one."""
        before, self.offset = self.offset, now - monotonic
        jumped = before is not None and abs(self.offset - before) > CLOCK_JUMP
        is_new, self.generation = generation != self.generation, generation
        return Look(now, monotonic, is_new, jumped)

    def tells_at(self, clock: float) -> float | None:
        """Loop time at which a status or an event is due that waits; none where none does."""
        due = []
        if self.status_changed is not None and self.status_due > clock:
            due.append(self.status_due)
        if any(map(self.tellings.is_waiting, Topic)):
            due.append(self.tellings.due(clock))
        elif self.status_changed is not None:
            due.append(max(self.status_due, clock))
        return min(due, default=None)
