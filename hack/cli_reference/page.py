"""The documentation page that lists every command and option."""

from argparse import Action, ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Final

from rayfleet.cli.arguments import EXIT_CODES, parser

_HEAD: Final = """\
<!-- Generated from the parser of the command line by `make cli-reference`. Do not edit. -->
# The command line

`rayfleet`, also available as `kubectl rayfleet`. How to install and use it:
[why is my task waiting?](../explain.md), and [running a program from your terminal](../submit.md).
"""


def reference() -> str:
    """The page as Markdown."""
    root = parser()
    sections = [_section(root, "")]
    for action in _actions(root):
        sections += [_section(cmd, (cmd.description or "").strip()) for cmd in _commands(action).values()]
    return f"{_HEAD}\n{EXIT_CODES}\n" + "".join(sections)


def _section(command: ArgumentParser, about: str) -> str:
    rows = [("option", "meaning"), ("---", "---")]
    rows += [row for action in _actions(command) for row in _rows(action)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    intro = f"{about}\n\n" if about else ""
    return f"\n## `{command.prog}`\n\n{intro}{table}\n"


def _actions(command: ArgumentParser) -> list[Action]:
    return command._actions  # noqa: SLF001 - the library has no other way to list them


def _commands(action: Action) -> Mapping[str, ArgumentParser]:
    return action.choices if isinstance(action.choices, dict) else {}


def _rows(action: Action) -> Iterator[tuple[str, str]]:
    commands = _commands(action)
    for name, command in commands.items():
        yield f"`{name}`", " ".join((command.description or "").split()).partition(". ")[0]
    if not commands:
        needed = " (required)" if action.required and action.option_strings else ""
        yield f"`{_usage(action)}`", f"{action.help}{needed}"


def _usage(action: Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    choices = "/".join(action.choices) if action.choices is not None else ""
    value = "" if action.nargs == 0 else f" {action.metavar or choices or action.dest.upper()}"
    return f"{', '.join(action.option_strings)}{value}"
