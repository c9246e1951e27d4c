"""A driver's log as it is shown: what a terminal would take for a command is left out.

A log is what its program writes, and a program may be anybody's.
"""

import re
from typing import Final

LONGEST_LINE: Final = 64 << 10
"""Characters after which a line is shown although it goes on."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]{0,64}[A-Za-z]")
_BROKEN: Final = re.compile(r"\r\n?")


def shown(line: str) -> str:
    """A line without colours and control characters, except for tabs."""
    if line.isprintable():
        return line
    line = _COLOUR.sub("", line)
    return "".join(c for c in line if c.isprintable() or c == "\t")


class LogText:
    """The lines of a log, out of the pieces in which its text comes.

    The first `skip` characters are passed over.
    """

    def __init__(self, skip: int = 0) -> None:
        self._skip = skip
        self._length = 0
        self._rest = ""

    def again(self) -> None:
        """The log is read again, from its start: pass over what has come."""
        self._skip, self._length = max(self._skip, self._length), 0

    def feed(self, text: str) -> list[str]:
        """The lines that are complete with this piece, without their ends."""
        new = text[max(0, self._skip - self._length) :]
        self._length += len(text)
        text = self._rest + new
        # Half of a line end must wait for the other half.
        half = "\r" if text.endswith("\r") else ""
        # The carriage return of a progress bar ends a line: nothing written may change what is shown.
        *lines, rest = _BROKEN.sub("\n", text.removesuffix(half)).split("\n")
        rest += half
        while len(rest) >= LONGEST_LINE:
            lines.append(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        self._rest = rest
        return [shown(line) for line in lines]

    def end(self) -> list[str]:
        """The last line, if nothing ends it."""
        lines, self._rest = [shown(self._rest)] if self._rest else [], ""
        return lines
