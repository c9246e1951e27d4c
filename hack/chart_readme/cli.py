"""`python -m chart_readme [--check]`: the README of the chart."""

import sys
from collections.abc import Sequence

from chart_readme.page import readme
from chart_readme.values import UncommentedValueError, read_values
from generated_page import REPOSITORY, write_or_check

CHART = REPOSITORY / "charts" / "rayfleet"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if the checked page differs or a value has no comment."""
    try:
        text = readme(read_values((CHART / "values.yaml").read_text()))
    except UncommentedValueError as error:
        print(f"charts/rayfleet/values.yaml: {error}", file=sys.stderr)
        return 1
    return write_or_check(arguments, "charts/rayfleet/README.md", text, make="chart-readme")
