"""`python -m cli_reference [--check]`: the page of the command line."""

from collections.abc import Sequence

from cli_reference.page import reference
from generated_page import write_or_check


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if the checked page differs."""
    return write_or_check(arguments, "docs/reference/cli.md", reference(), make="cli-reference")
