"""Splits a byte stream into lines. No I/O here."""

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes. An API server accepts objects of up to 3 MB; a longer line is not a watch event."""


class LineTooLongError(Exception):
    """The stream holds something other than watch events."""


class LineSplitter:
    """Cuts what arrives into lines, whatever their length and wherever the chunks end.

    Time and memory are linear in what arrives: a line that comes in many chunks is joined once.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without line ends and without empty lines.

        Raises LineTooLongError if the unfinished line is longer than any event can be.
        """
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts.clear()
            self._size = 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > self._longest:
                raise LineTooLongError(f"a line of more than {self._longest} bytes")
        return [line for line in complete if line]
