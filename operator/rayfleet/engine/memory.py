"""What the engine remembers about one root between passes. Losing it in a restart costs only time."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from msgspec import Struct, field

from rayfleet.engine.kind import Look
from rayfleet.engine.pacing import ReportBudget, Topic

M = TypeVar("M")

CLOCK_JUMP = 2.0
"""Seconds by which two clocks must diverge between two passes to conclude that one of them was set."""


class Remembered(Struct, Generic[M]):
    """The memory of one root, by uid: a root recreated under the same name starts with an empty one."""

    uid: str
    own: M
    """What the kind remembers."""
    term: int = 0
    """The term as the leader in which it began; the next term starts a new one, as another may have led."""
    verified_epoch: Hashable = None
    """The view epoch in which its children were last listed, or it was created; None before either."""
    newborn: bool = False
    """As far as we know, only its creation has happened: nothing has been written yet."""
    generation: int = 0
    """The generation of the spec in the last pass."""
    offset: float | None = None
    """Seconds from the event loop's clock to Unix time, in the last pass."""
    tried: frozenset[tuple[type, str]] = frozenset()
    """What the last pass tried to do, by kind of action and name."""
    rests_until: float = 0.0
    """Loop time until which it rests because its last plan took long."""
    defect_reported: int | None = None
    """The last generation for which a defect was reported."""
    status_written: float = float("-inf")
    """Loop time of the last write of the status."""
    status_changed: float | None = None
    """Loop time since which the status differs from the stored one, in what may wait."""
    status_due: float = 0.0
    """Loop time at which that change is due."""
    budget: ReportBudget = field(default_factory=ReportBudget)
    """For the reports that its head's answers cause."""

    def meet(self, generation: int, now: float, monotonic: float) -> Look:
        """Begin a look at the root: its time, and what has changed since the last look."""
        before, self.offset = self.offset, now - monotonic
        jumped = before is not None and abs(self.offset - before) > CLOCK_JUMP
        is_new, self.generation = generation != self.generation, generation
        return Look(now, monotonic, is_new, jumped)

    def report_due(self, clock: float) -> float | None:
        """Loop time at which a waiting status or event is due; None if none waits."""
        due = []
        if self.status_changed is not None and self.status_due > clock:
            due.append(self.status_due)
        if any(map(self.budget.is_waiting, Topic)):
            due.append(self.budget.due(clock))
        elif self.status_changed is not None:
            due.append(max(self.status_due, clock))
        return min(due, default=None)
