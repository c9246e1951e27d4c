"""What the demo prints: a numbered line and a time for each step, with the step's output below it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Narration:
    """Counts and times the steps; `now_doing` is the title of the current one."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.steps = 0
        self.now_doing = "starting"

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        self.steps += 1
        self.now_doing = what
        print(f"\n{self.steps}. {what}", flush=True)
        began = time.monotonic()
        yield
        print(f"   -- {time.monotonic() - began:.1f} s", flush=True)

    def show(self, text: str) -> None:
        """Print lines below the current step."""
        for line in text.splitlines():
            print(f"   {line}".rstrip(), flush=True)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began
