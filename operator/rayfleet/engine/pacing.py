"""Limits the status writes and events that a head's answers cause. Pure: callers pass the time.

A head runs its tenant's code, so its answers may change each second, in any way. The status writes and events
that they cause share one token bucket for each cluster.
"""

from enum import Enum, auto
from typing import Final

from msgspec import Struct, field

from rayfleet.engine.event import Event

BURST: Final = 10
"""How many writes and events may go out at once."""
PERIOD: Final = 30.0
"""Seconds for each further token."""
LONGEST_EVENT_WAIT: Final = 4 * PERIOD
"""Seconds for which the status has precedence: the present must be visible, the past can wait."""


class Topic(Enum):
    """What a token pays for."""

    STATUS = auto()
    EVENT = auto()


class ReportBudget(Struct):
    """The tokens of one cluster, and what waits for one. All times are of one clock."""

    _full: float = float("-inf")
    """When the bucket is full again if nothing is taken."""
    _waiting: dict[Topic, float] = field(default_factory=dict)
    """When each topic began to wait for a token."""
    _withheld: dict[str, tuple[Event, int]] = field(default_factory=dict)
    """By reason, the last event that found no token, and how many there were."""
    last_notes: dict[str, str] = field(default_factory=dict)
    """The note of the last warning of each reason."""

    def take(self, topic: Topic, clock: float) -> bool:
        """Take a token for `topic`; return whether there was one."""
        left = BURST - max(self._full - clock, 0.0) / PERIOD
        if left < 1 or (left < 2 and self._is_others(topic, clock)):  # noqa: PLR2004 - the last token
            self._waiting.setdefault(topic, clock)
            return False
        self._waiting.pop(topic, None)
        self._full = max(self._full, clock) + PERIOD
        return True

    def _is_others(self, topic: Topic, clock: float) -> bool:
        """Whether the next token is the other topic's: the status's, unless events have waited too long."""
        since = self._waiting.get(Topic.EVENT)
        is_events = since is not None and clock - since >= LONGEST_EVENT_WAIT
        return is_events if topic is Topic.STATUS else Topic.STATUS in self._waiting and not is_events

    def settle(self, topic: Topic) -> None:
        """Note that nothing of `topic` waits any more."""
        self._waiting.pop(topic, None)

    def is_waiting(self, topic: Topic) -> bool:
        return topic in self._waiting

    def due(self, clock: float) -> float:
        """When the next token is available."""
        return max(clock, self._full - (BURST - 1) * PERIOD)

    def withhold(self, event: Event) -> None:
        """Keep an event for later: for each reason the last event and the count."""
        _, count = self._withheld.get(event.reason, (event, 0))
        self._withheld[event.reason] = event, count + 1

    def drop_events(self) -> None:
        """Drop withheld events, because the cluster is no longer ours to report on."""
        self._withheld.clear()
        self.settle(Topic.EVENT)

    def release(self, clock: float) -> Event | None:
        """Return the withheld event that has waited longest, if there is a token for it."""
        if not self._withheld:
            self.settle(Topic.EVENT)
            return None
        if not self.take(Topic.EVENT, clock):
            return None
        event, count = self._withheld.pop(next(iter(self._withheld)))
        if self._withheld:
            self._waiting[Topic.EVENT] = clock
        return event if count == 1 else event.with_more(count - 1)
