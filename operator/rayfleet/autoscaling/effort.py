"""How much work one decision may take, in steps, so that the same state gives the same decision.

The queue is reported by a head, and a head runs its users' code: some queues take hours to work through.
"""

from typing import Final

from msgspec import Struct

from rayfleet.autoscaling.decision import DemandHold, HoldKind

MOST_STEPS: Final = 9_000_000
"""Steps of placing work. One takes a tenth to a sixth of a microsecond: at most a second and a half in all.
Costs are measured with a hundred groups, the most that a cluster has."""
MOST_WORDS: Final = 2_000_000
"""Steps of finding out why work waits."""
TOO_MUCH: Final = DemandHold(
    HoldKind.TOO_MUCH,
    "not considered yet: more is waiting than one decision can work through",
)


class Effort(Struct):
    """The steps that are left."""

    left: int = MOST_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps

    @property
    def spent(self) -> bool:
        """Whether the rest has to wait."""
        return self.left < 0
