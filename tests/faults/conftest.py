"""One control plane for all cases, and the cases side by side in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.faults.bed import FaultBed, fault_bed
from support.faults.case import SEED, TALLY, Case, SideBySide

Verdict = Callable[[Case], None]


LONGEST_S = 900
"""A case may have to wait for earlier ones."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(LONGEST_S))


def pytest_report_header() -> str:
    return f"seed of the faults: {SEED} (make faults SEED=...)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, count in sorted(TALLY.items()):
        terminalreporter.line(f"{count:6} {what}")


@pytest.fixture(scope="session")
def bed() -> Iterator[FaultBed]:
    """A control plane with the chart installed, a pretended node, and a record of what happens."""
    with fault_bed() as made:
        yield made


@pytest.fixture(scope="session")
def side_by_side(bed: FaultBed, request: pytest.FixtureRequest) -> Iterator[SideBySide]:
    """Every selected case, begun as soon as the first is asked for."""
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    cases = [call.params["case"] for call in calls if call is not None and "case" in call.params]
    running = SideBySide(bed, cases)
    yield running
    running.close()


@pytest.fixture
def verdict(side_by_side: SideBySide, request: pytest.FixtureRequest) -> Verdict:
    """Waits for a case and fails as it did."""
    return lambda case: side_by_side.result(case, request.node.name)
