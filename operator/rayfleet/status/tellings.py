"""How often users are told of what a head's answers cause. Pure: times come from whoever asks.

A head runs its tenant's code: what it says may change each second, in whatever way. So the status writes and
events that its answers cause share a bucket of tokens, one for each cluster.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from rayfleet.status.events import Event

BURST: Final = 10
"""Writes and events at once."""
PERIOD: Final = 30.0
"""Seconds until there may be one more."""


class Topic(Enum):
    """What a token is for."""

    STATUS = auto()
    EVENT = auto()


@dataclass(slots=True)
class Tellings:
    """What one cluster's users were told of, and what waits to be told. All times are by one clock."""

    _full: float = float("-inf")
    """When the bucket is full again, if nothing is taken."""
    _waiting: dict[Topic, float] = field(default_factory=dict)
    """Since when each waits for a token: who has waited longer has the next one."""
    _withheld: dict[str, tuple[Event, int]] = field(default_factory=dict)
    """By reason, the last event that there was no token for, and how many there were."""
    said: dict[str, str] = field(default_factory=dict)
    """The words of the last warning of each reason."""

    def take(self, topic: Topic, clock: float) -> bool:
        """Whether there is a token for `topic`: then it is taken."""
        left = BURST - max(self._full - clock, 0.0) / PERIOD
        since = self._waiting.get(topic, clock)
        if left < 1 or (left < 2 and any(other < since for other in self._waiting.values())):  # noqa: PLR2004 - the last one
            self._waiting[topic] = since
            return False
        self._waiting.pop(topic, None)
        self._full = max(self._full, clock) + PERIOD
        return True

    def settle(self, topic: Topic) -> None:
        """Nothing of `topic` waits any more."""
        self._waiting.pop(topic, None)

    def is_waiting(self, topic: Topic) -> bool:
        return topic in self._waiting

    def due(self, clock: float) -> float:
        """When the next token is there."""
        return max(clock, self._full - (BURST - 1) * PERIOD)

    def withhold(self, event: Event) -> None:
        """Keep an event for later; of those with one reason the last one, and their number."""
        _, count = self._withheld.get(event.reason, (event, 0))
        self._withheld[event.reason] = event, count + 1

    def drop_events(self) -> None:
        """Withheld events are of a cluster that is not ours to tell of any more."""
        self._withheld.clear()
        self.settle(Topic.EVENT)

    def release(self, clock: float) -> Event | None:
        """The withheld event that has waited longest, if there is a token for it."""
        if not self._withheld:
            self.settle(Topic.EVENT)
            return None
        if not self.take(Topic.EVENT, clock):
            return None
        event, count = self._withheld.pop(next(iter(self._withheld)))
        if self._withheld:
            self._waiting[Topic.EVENT] = clock
        return event if count == 1 else event.with_more(count - 1)
