"""Waiting as long as there is progress: a busy machine is slow, but without progress something is broken."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from demo.errors import DemoError

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a step waits: `still` seconds without progress, `longest` seconds in total.

    While it waits, it prints the state whenever that has changed, at most every `tell_every` seconds.
    """

    tell: Callable[[str], None]
    still: float = 120.0
    longest: float = 900.0
    tell_every: float = 10.0
    pause: float = 0.5
    """Between two checks: each runs a program, which takes CPU from what is awaited."""
    now: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def wait_for(self, what: str, check: Callable[[], T | None], going_on: Callable[[], str]) -> T:
        """Return the first true value of `check`.

        `going_on` describes the state, in words that change with every step of progress. Raises DemoError
        that names `what` and the last state if there is no progress, or if it takes too long in total.
        """
        began = moved = printed = self.now()
        last = shown = going_on()
        while True:
            if value := check():
                return value
            now = self.now()
            if now - moved > self.still or now - began > self.longest:
                still = f"; no progress for {now - moved:.0f} s" if now - moved > self.still else ""
                raise DemoError(f"waited {now - began:.0f} s for {what}{still}. {last}")
            state = going_on()
            if state != last:
                last, moved = state, now
            if last != shown and now - printed >= self.tell_every:
                self.tell(f"... {last}")
                shown, printed = last, now
            self.sleep(self.pause)
