"""What a fault proxy does to which call: rules, and the script of them."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from support.faults.call import Call


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a rule is about. Omitted fields match anything."""

    verbs: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    mutating: bool | None = None
    """Leases do not count: their renewal changes nothing that matters here."""
    which: Callable[[Call], bool] | None = None

    def __call__(self, call: Call) -> bool:
        return (
            (not self.verbs or call.verb in self.verbs)
            and (not self.resources or call.resource in self.resources)
            and (self.mutating is None or call.mutating is self.mutating)
            and (self.which is None or self.which(call))
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Do not carry it out; answer with this status."""

    status: int
    reason: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Carry it out; no answer ever comes, or the connection is cut at once."""

    cut: bool


@dataclass(frozen=True, slots=True)
class DelayAnswer:
    """Carry it out, and answer so many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Carry it out so many seconds later, if the caller is still connected."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Do not carry it out; cut the connection after so many seconds without an answer."""

    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Die:
    """Carry it out; from then on nothing of the caller reaches the server, as if it had been killed."""


@dataclass(frozen=True, slots=True)
class ListAsOf:
    """Answer a list with the state that the server had at an older resourceVersion."""

    resource_version: int


@dataclass(frozen=True, slots=True)
class SmallPages:
    """Answer a list in pages of this size, if it asks for pages. No server splits one that does not."""

    limit: int


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """What happens to the events of a watch. Chances are per event, from 0 to 1.

    A real server may repeat and delay events, and may lose them only where it ends the stream and refuses
    to resume it: so after an event that is missed the stream ends within a second with a 410.
    """

    double: float = 0.0
    late: float = 0.0
    late_seconds: float = 0.3
    reorder: float = 0.0
    miss: float = 0.0
    cut: float = 0.0
    silent: float = 0.0
    """No further event comes; the connection stays open."""
    gone: float = 0.0
    """An ERROR event with status 410 takes the event's place, and the stream ends."""
    wait_for: Callable[[], bool] | None = None
    """Nothing comes before this is true: a server that lags behind."""


Action: TypeAlias = (
    Answer | LoseAnswer | DelayAnswer | Hold | Cut | Die | ListAsOf | SmallPages | StreamFaults
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Calls that match get one of `actions`, drawn again each time."""

    match: Match
    actions: tuple[Action, ...]
    chance: float = 1.0
    nth: int | None = None
    """Only the n-th call that matches, from 1."""
    leases: bool = False
    """Whether it is about calls for Leases too, which are left alone otherwise."""


class Script:
    """The rules of one run; the first that applies to a call counts.

    All chance comes from `seed`. With `seconds`, the script is over that long after its first call.
    """

    def __init__(self, rules: Sequence[Rule] = (), seed: int = 0, seconds: float | None = None) -> None:
        self._rules = tuple(rules)
        self._matched = [0] * len(self._rules)
        self._seconds = seconds
        self._until: float | None = None
        self.rng = random.Random(seed)  # noqa: S311 - chance in a test
        self.applied = 0
        """How many calls were interfered with."""

    def decide(self, call: Call) -> Action | None:
        """What to do to this call; None: nothing."""
        if self.over:
            return None
        if self._seconds is not None and self._until is None:
            self._until = time.monotonic() + self._seconds
        for index, rule in enumerate(self._rules):
            if not rule.match(call) or (call.resource == "leases" and not rule.leases):
                continue
            self._matched[index] += 1
            if rule.nth not in {None, self._matched[index]}:
                continue
            if rule.chance < 1.0 and self.rng.random() >= rule.chance:
                continue
            self.applied += 1
            return self.rng.choice(rule.actions)
        return None

    def begin(self) -> None:
        """Start its time now, not at its first call."""
        if self._seconds is not None:
            self._until = time.monotonic() + self._seconds

    @property
    def over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until
