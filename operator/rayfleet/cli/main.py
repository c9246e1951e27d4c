"""The entry point of the console scripts `rayfleet` and `kubectl-rayfleet`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from rayfleet.cli.arguments import EXPLAIN, PLAN, parse
from rayfleet.cli.errors import CommandError
from rayfleet.cli.job_arguments import JOBS, LOGS, STOP, SUBMIT

INTERRUPTED = 130
"""The exit code of an interrupted program, by the shell's convention."""
_COMMANDS: Final = {
    EXPLAIN: ("rayfleet.cli.explain", "explain"),
    PLAN: ("rayfleet.cli.plan", "plan"),
    SUBMIT: ("rayfleet.cli.jobs.submit", "submit"),
    JOBS: ("rayfleet.cli.jobs.listing", "jobs"),
    LOGS: ("rayfleet.cli.jobs.logs", "logs"),
    STOP: ("rayfleet.cli.jobs.stop", "stop"),
}
"""Where each command is. It is imported when it is called: the API client alone takes a third of a second."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    given = parse(sys.argv[1:] if arguments is None else arguments, _program())
    try:
        done = _run(given)
        if isinstance(done, int):
            return done
        sys.stdout.write(done)
        sys.stdout.flush()
    except CommandError as error:
        # What others have written may be in it, and a terminal obeys control characters.
        words = "".join(c if c.isprintable() or c == "\n" else " " for c in str(error))
        print(f"rayfleet: {words}", file=sys.stderr)  # noqa: T201 - a command-line tool prints
        return 1
    except BrokenPipeError:  # `rayfleet ... | head` has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _run(given: argparse.Namespace) -> str | int:
    """What the command prints, or its exit code if it has printed as it went on."""
    module, function = _COMMANDS[given.command]
    command: Callable[[argparse.Namespace], str | int] = getattr(import_module(module), function)
    return command(given)


def _program() -> str:
    """The name by which the user called it: `kubectl rayfleet` runs `kubectl-rayfleet`."""
    return "kubectl rayfleet" if Path(sys.argv[0]).name.startswith("kubectl-") else "rayfleet"
