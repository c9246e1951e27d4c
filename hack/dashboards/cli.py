"""`python -m dashboards [--check]`: write the boards into the chart, or check that they are up to date."""

from collections.abc import Sequence
from typing import Final

from dashboards.cluster import CLUSTER_BOARD
from dashboards.fleet import FLEET_BOARD
from dashboards.jobs import JOBS_BOARD
from dashboards.process import OPERATOR_BOARD
from generated_page import write_or_check

BOARDS: Final = (FLEET_BOARD, CLUSTER_BOARD, JOBS_BOARD, OPERATOR_BOARD)
FOLDER: Final = "charts/rayfleet/dashboards"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if a checked file differs."""
    return max(
        write_or_check(arguments, f"{FOLDER}/{board.uid}.json", board.as_json(), make="dashboards")
        for board in BOARDS
    )
