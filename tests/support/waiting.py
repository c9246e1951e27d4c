"""Waiting in tests: with a deadline, and with a message that names what was waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


def eventually(
    what: str, look: Callable[[], T | None], *, seconds: float = 15.0, why: Callable[[], object] | None = None
) -> T:
    """The first true answer of `look`. Fails, naming `what` and adding `why()`, after `seconds`.

    An assertion that fails inside `look` means: not yet.
    """
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            found = look()
        except AssertionError as not_yet:
            found, last = None, str(not_yet)
        if found:
            return found
        if time.monotonic() >= deadline:
            details = "\n".join(part for part in (last, str(why()) if why else "") if part)
            raise AssertionError(f"timed out after {seconds:g} s waiting for {what}; last seen: {details}")
        time.sleep(POLL_SECONDS)  # Between two looks; the deadline is above.


def throughout(what: str, look: Callable[[], object], *, seconds: float) -> None:
    """Fail, naming `what`, unless `look` is true at every look for `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        assert found, f"{what} did not hold throughout {seconds:g} s: {found!r}"
        time.sleep(POLL_SECONDS)  # Between two looks; it ends at the deadline.
