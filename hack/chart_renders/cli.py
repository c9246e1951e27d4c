"""`python -m chart_renders [--check]`: record what the chart makes of each set of values. Needs helm."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from chart_renders.renders import FOLDER, differences, value_sets


def outdated() -> Sequence[str]:
    """The sets of values of which the chart makes something else than what is recorded."""
    return [name for name in value_sets() if _recorded(name) != differences(name)]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if a checked file differs."""
    parser = argparse.ArgumentParser(prog="python -m chart_renders", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    if parser.parse_args(arguments).check:
        names = outdated()
        if names:
            print(f"{FOLDER}: out of date: {', '.join(names)}; run `make chart-renders`", file=sys.stderr)
        return 1 if names else 0
    for name in value_sets():
        _file(name).write_text(differences(name))
    return 0


def _recorded(name: str) -> str:
    return _file(name).read_text() if _file(name).exists() else ""


def _file(name: str) -> Path:
    return FOLDER / f"{name}.yaml"
