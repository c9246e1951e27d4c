"""Says what is being done and how long it took, a line a step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Prints a line and a time a step; a quiet one, for tests, prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def say(self, line: str) -> None:
        if not self._quiet:
            print(line, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.say(f"  {what:<58} {time.monotonic() - begun:6.1f} s")


QUIET = Progress(quiet=True)
