"""Answers to scrapes: made one at a time, and reused for a second, however many ask and how often."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

from msgspec import Struct

from rayfleet.telemetry.metrics.exposition import Exposition

GOOD_FOR_SECONDS = 1.0
OPEN_METRICS = "application/openmetrics-text"
PLAIN_TEXT = "text/plain"


class Answer(Struct, frozen=True):
    """The text in one of the two formats."""

    content_type: str
    parts: Sequence[bytes]
    made: float


class Scrapes:
    """Answers scrapers. Anyone who can reach the port may ask, so asking more must not cost more."""

    def __init__(self, exposition: Exposition, clock: Callable[[], float] = time.monotonic) -> None:
        self._exposition = exposition
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._recent: dict[str, Answer] = {}

    async def answer(self, accept: str) -> Answer:
        """The text for an Accept header, at most a second old."""
        wanted = _format(accept)
        async with self._one_at_a_time:
            known = self._recent.get(wanted)
            if known is not None and self._clock() - known.made < GOOD_FOR_SECONDS:
                return known
            self._recent.pop(wanted, None)  # Free its text before making the next one.
            content_type, parts = self._exposition.answer(wanted)
            async with aclosing(parts):
                text = [part async for part in parts]
            made = self._recent[wanted] = Answer(content_type, text, self._clock())
            asyncio.get_running_loop().call_later(GOOD_FOR_SECONDS, self._forget, wanted, made)
            return made

    def _forget(self, wanted: str, made: Answer) -> None:
        if self._recent.get(wanted) is made:
            del self._recent[wanted]


def _format(accept: str) -> str:
    """One of two formats, whatever version is asked for, as each format is another text to make."""
    asked = {each.split(";")[0].strip() for each in accept.split(",")}
    return OPEN_METRICS if OPEN_METRICS in asked else PLAIN_TEXT
