"""What a command shows: the log on standard output, what becomes of the job on standard error."""

import sys
from collections.abc import Collection
from typing import Final

from rayfleet.autoscaling.words import printable

_QUESTION: Final = "stop the job? [y/N/d]etach "


class Screen:
    """The terminal, or the files, of one command about the job `name`."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def say(self, words: str) -> None:
        """A line about the job."""
        prefix = f"{self.name}: " if self.name else ""
        print(printable(f"{prefix}{words}"), file=sys.stderr, flush=True)  # noqa: T201 - a command-line tool prints

    def log(self, lines: Collection[str]) -> None:
        """Lines of the log, in which nothing is left that a terminal would obey."""
        if lines:
            encoding = sys.stdout.encoding or "utf-8"
            text = "".join(f"{line}\n" for line in lines)
            sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
            sys.stdout.flush()

    def ask_what_to_do(self) -> str:
        """After Ctrl-C: `y` to stop the job, `n` to go on following it, `d` to leave it alone.

        Without a terminal nobody can be asked, and another Ctrl-C is an answer too: `d`.
        """
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return "d"
        try:
            print(f"\n{_QUESTION}", end="", file=sys.stderr, flush=True)  # noqa: T201 - as above
            answer = sys.stdin.readline()
        except KeyboardInterrupt:
            return "d"
        if not answer:  # The end of the input.
            return "d"
        return answer.strip().lower()[:1] or "n"
