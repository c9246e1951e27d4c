"""`python -m metrics [--check]`: the page that lists the metrics."""

from collections.abc import Sequence

from generated_page import write_or_check
from metrics.page import reference


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if the checked page differs."""
    return write_or_check(arguments, "docs/reference/metrics.md", reference(), make="metrics")
