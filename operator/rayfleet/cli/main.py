"""The entry point of the console scripts `rayfleet` and `kubectl-rayfleet`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rayfleet.cli.arguments import EXPLAIN, parse
from rayfleet.cli.errors import CommandError

INTERRUPTED = 130
"""The exit code of an interrupted program, by the shell's convention."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    given = parse(sys.argv[1:] if arguments is None else arguments, _program())
    try:
        # Each command imports what it needs: the API client alone takes a third of a second.
        if given.command == EXPLAIN:
            from rayfleet.cli.explain import explain  # noqa: PLC0415 - as above

            sys.stdout.write(explain(given))
        else:
            from rayfleet.cli.plan import plan  # noqa: PLC0415 - as above

            sys.stdout.write(plan(given))
        sys.stdout.flush()
    except CommandError as error:
        print(f"rayfleet: {error}", file=sys.stderr)  # noqa: T201 - a command-line tool prints
        return 1
    except BrokenPipeError:  # `rayfleet ... | head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _program() -> str:
    """The name by which the user called it: `kubectl rayfleet` runs `kubectl-rayfleet`."""
    return "kubectl rayfleet" if Path(sys.argv[0]).name.startswith("kubectl-") else "rayfleet"
