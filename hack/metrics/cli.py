"""`python -m metrics`: write the page that lists the metrics, or check that it is up to date.

Needs `operator` and `hack` on the path: PYTHONPATH=operator:hack python -m metrics [--check]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from metrics.page import reference

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 when all is well, 1 when the checked page differs."""
    parser = argparse.ArgumentParser(prog="python -m metrics", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the page is not up to date"
    )
    if not parser.parse_args(arguments).check:
        PAGE.write_text(reference())
        return 0
    if PAGE.exists() and PAGE.read_text() == reference():
        return 0
    print("docs/reference/metrics.md: not what the definitions say; run `make metrics`", file=sys.stderr)
    return 1
