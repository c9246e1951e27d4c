"""Waiting as long as something moves: a busy machine is slow, and what stands still is broken."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from demo.errors import DemoError

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a step waits: `still` seconds without any progress, `longest` seconds in all.

    While it waits, it says what is going on whenever that has changed, every `tell_every` seconds at most.
    """

    tell: Callable[[str], None]
    still: float = 120.0
    longest: float = 900.0
    tell_every: float = 10.0
    pause: float = 0.5
    """Between two looks: each runs a program, which takes the processor from what is waited for."""
    now: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def wait_for(self, what: str, check: Callable[[], T | None], going_on: Callable[[], str]) -> T:
        """Return the first true value of `check`.

        `going_on` describes where things are, in words that change with every step of progress. Raises
        DemoError that names `what` and the last of these words when they stand still, or when it takes too
        long in all.
        """
        began = moved = told = self.now()
        last = shown = going_on()
        while True:
            if value := check():
                return value
            now = self.now()
            if now - moved > self.still or now - began > self.longest:
                still = f"; nothing has moved for {now - moved:.0f} s" if now - moved > self.still else ""
                raise DemoError(f"waited {now - began:.0f} s for {what}{still}. {last}")
            words = going_on()
            if words != last:
                last, moved = words, now
            if last != shown and now - told >= self.tell_every:
                self.tell(f"... {last}")
                shown, told = last, now
            self.sleep(self.pause)
