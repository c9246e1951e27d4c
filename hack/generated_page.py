"""A documentation page that is generated from code: written, or compared."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def write_or_check(arguments: Sequence[str], page: str, text: str, make: str) -> int:
    """The exit code: 0 on success, 1 if the checked page differs.

    `page` is its path in the repository, `text` what it should say, `make` the target that writes it.
    """
    parser = argparse.ArgumentParser(description=f"Write {page}, or check that it is up to date.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the page is not up to date"
    )
    file = REPOSITORY / page
    if not parser.parse_args(arguments).check:
        file.write_text(text)
        return 0
    if file.exists() and file.read_text() == text:
        return 0
    print(f"{page}: out of date with the code; run `make {make}`", file=sys.stderr)
    return 1
