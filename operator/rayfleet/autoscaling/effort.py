"""How much work a decision may be. It is counted in steps, so that the same state gives the same decision.

What waits is what a head says, and a head runs its user's code: some queues take hours to look through.
"""

from dataclasses import dataclass
from typing import Final

from rayfleet.autoscaling.decision import DemandHold, HoldKind

MOST_STEPS: Final = 9_000_000
"""Of placing work. A step takes a tenth to a sixth of a microsecond: at most a second and a half in all. What
each thing costs is measured with a hundred groups, the most that a cluster has."""
MOST_WORDS: Final = 2_000_000
"""Steps of finding out why work waits."""
TOO_MUCH: Final = DemandHold(
    HoldKind.TOO_MUCH,
    "not looked at yet: more waits than one decision can look through, so the rest waits",
)


@dataclass(slots=True)
class Effort:
    """What is left of it."""

    left: int = MOST_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps

    @property
    def spent(self) -> bool:
        """Whether the rest has to wait."""
        return self.left < 0
