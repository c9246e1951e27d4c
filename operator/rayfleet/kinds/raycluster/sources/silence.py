"""Heads that let a request time out, and how long each is left alone.

A head that hangs holds a place of a pass for as long as a request may take, so it must not be asked often.
A head that was slow once, on a busy node, must get its next drain soon: what it holds idle costs money. So
the pause grows with each timeout, and what resets it is time. An answer in between proves nothing: a head
may answer every second request so that it is always asked again.
"""

from collections.abc import Callable
from typing import NamedTuple

from rayfleet.kube.objects.keys import Key

FIRST_SECONDS = 2.0
"""How long a head gets no request after its first timeout; each further one doubles that."""
LONGEST_SECONDS = 60.0
"""The longest such pause, and how long after its end a head without a timeout starts over."""


class _Pause(NamedTuple):
    until: float
    seconds: float


class SilentHeads:
    """By cluster. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pauses: dict[Key, _Pause] = {}

    def is_silent(self, key: Key) -> bool:
        """Whether the head gets no request now."""
        pause = self._pauses.get(key)
        return pause is not None and self._clock() < pause.until

    def timed_out(self, key: Key) -> None:
        """Its head has not answered a request in time."""
        if self.is_silent(key):  # Asked before the pause began: one slow moment, however many requests.
            return
        now, before = self._clock(), self._pauses.get(key)
        goes_on = before is not None and now < before.until + LONGEST_SECONDS
        seconds = min(before.seconds * 2, LONGEST_SECONDS) if before and goes_on else FIRST_SECONDS
        self._pauses[key] = _Pause(now + seconds, seconds)

    def forget(self, key: Key) -> None:
        """The cluster is gone, or no longer scales with its queue."""
        self._pauses.pop(key, None)
