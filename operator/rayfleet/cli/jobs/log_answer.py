"""The text in `{"logs": "..."}`, read in pieces: a log may be larger than the memory. No I/O here."""

import codecs
import json
import re
from typing import Final

_START: Final = re.compile(rb'\s*\{\s*"logs"\s*:\s*"')
_MOST_BEFORE: Final = 1024
"""Bytes in which the text must begin."""
_WHOLE: Final = re.compile(
    rb'(?:[^"\\]++|\\["\\/bfnrt]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}'
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u[0-9a-fA-F]{4}))*+"
)
"""Up to what can only be understood with what follows: half an escape, or half a character."""
_LONGEST_HALF: Final = 12


class NotALogError(Exception):
    """The answer is not what Ray says about a log."""


class LogAnswer:
    """Decodes one answer."""

    def __init__(self) -> None:
        self._held = b""
        self._begun = False
        self.whole = False
        """Whether the end of the text has come."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, piece: bytes) -> str:
        """The text that is complete with this piece. Raises NotALogError."""
        if self.whole:
            return ""
        self._held += piece
        if not self._begun and not self._begin():
            return ""
        found = _WHOLE.match(self._held)
        end = 0 if found is None else found.end()
        rest = self._held[end:]
        if rest.startswith(b'"'):
            self.whole = True
        elif len(rest) >= _LONGEST_HALF:
            raise NotALogError
        text, self._held = self._held[:end], rest
        return str(json.loads(f'"{self._decoder.decode(text)}"', strict=False))

    def _begin(self) -> bool:
        start = _START.match(self._held)
        if start is None:
            if len(self._held) > _MOST_BEFORE or not b'{"logs":"'.startswith(b"".join(self._held.split())):
                raise NotALogError
            return False
        self._begun, self._held = True, self._held[start.end() :]
        return True
