"""`python -m cli_reference`: write the page of the command line, or check that it is up to date.

Needs `operator` and `hack` on the path: PYTHONPATH=operator:hack python -m cli_reference [--check]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cli_reference.page import reference

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 when all is well, 1 when the checked page differs."""
    parser = argparse.ArgumentParser(prog="python -m cli_reference", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the page is not up to date"
    )
    if not parser.parse_args(arguments).check:
        PAGE.write_text(reference())
        return 0
    if PAGE.exists() and PAGE.read_text() == reference():
        return 0
    print("docs/reference/cli.md: not what the parser says; run `make cli-reference`", file=sys.stderr)
    return 1
