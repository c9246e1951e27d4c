"""The operator dies after its k-th mutating call, for every k, and the next one goes on."""

from collections.abc import Callable
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.rules import Die, Match, Rule, Script
from support.faults.runs import perform, undisturbed
from support.faults.scenario import SCENARIOS

KTH_WRITE = Match(mutating=True)


def _undisturbed(scenario: str, bed: FaultBed, _: int) -> None:
    made = undisturbed(bed, SCENARIOS[scenario])
    assert made.writes <= SCENARIOS[scenario].writes, (
        f"{made.writes} writes: raise the bound, or find out why"
    )


def _crash(scenario: str, k: int, bed: FaultBed, seed: int) -> None:
    perform(bed, SCENARIOS[scenario], Script([Rule(KTH_WRITE, (Die(),), nth=k)], seed))


UNDISTURBED = [Case(f"{name}-undisturbed", partial(_undisturbed, name)) for name in SCENARIOS]
CRASHES = [
    Case(f"{name}-{k}", partial(_crash, name, k))
    for name, scenario in SCENARIOS.items()
    for k in range(1, scenario.writes + 1)
]


@pytest.mark.parametrize("case", UNDISTURBED, ids=str)
def test_an_undisturbed_run_holds_every_invariant(case: Case, verdict: Callable[[Case], None]) -> None:
    """What every other run is compared with."""
    verdict(case)


@pytest.mark.parametrize("case", CRASHES, ids=str)
def test_a_crash_after_any_write_changes_nothing_in_the_end(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """The same children created and deleted, and pods that were there keep their uid."""
    verdict(case)
