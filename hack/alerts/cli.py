"""`python -m alerts [--check]`: the page that lists the alerts."""

from collections.abc import Sequence

from alerts.page import reference
from alerts.rules import read_groups
from generated_page import write_or_check


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if the checked page differs."""
    return write_or_check(arguments, "docs/reference/alerts.md", reference(read_groups()), make="alerts")
