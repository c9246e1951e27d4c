"""How often users are told of what a head's answers cause. Pure: times come from whoever asks.

A head runs its tenant's code: what it says may change each second, in whatever way. So the status writes and
events that its answers cause share a bucket of tokens, one for each cluster.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from rayfleet.engine.event import Event

BURST: Final = 10
"""Writes and events at once."""
PERIOD: Final = 30.0
"""Seconds until there may be one more."""
LONGEST_EVENT_WAIT: Final = 4 * PERIOD
"""Seconds for which the status goes before events: what is stays visible, what was can be told later."""


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
    """Since when each waits for a token."""
    _withheld: dict[str, tuple[Event, int]] = field(default_factory=dict)
    """By reason, the last event that there was no token for, and how many there were."""
    said: dict[str, str] = field(default_factory=dict)
    """The words of the last warning of each reason."""

    def take(self, topic: Topic, clock: float) -> bool:
        """Whether there is a token for `topic`: then it is taken."""
        left = BURST - max(self._full - clock, 0.0) / PERIOD
        if left < 1 or (left < 2 and self._is_others(topic, clock)):  # noqa: PLR2004 - the last one
            self._waiting.setdefault(topic, clock)
            return False
        self._waiting.pop(topic, None)
        self._full = max(self._full, clock) + PERIOD
        return True

    def _is_others(self, topic: Topic, clock: float) -> bool:
        """Whether the next token is the other topic's: the status's, unless events have waited for long."""
        since = self._waiting.get(Topic.EVENT)
        is_events = since is not None and clock - since >= LONGEST_EVENT_WAIT
        return is_events if topic is Topic.STATUS else Topic.STATUS in self._waiting and not is_events

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
