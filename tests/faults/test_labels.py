"""Labels and owners of living pods are changed and removed."""

from collections.abc import Callable
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.rules import Die, Match, Rule, Script
from support.faults.runs import perform, undisturbed
from support.faults.scenario import CHANGED

IN_CI = {"headgroup-set-aside", "headgroup-out-of-view", "a-of-another-group", "a-of-another-cluster"}
"""These run in CI with a crash: a new operator finds other pods than the last one has seen."""


def _changed(name: str, bed: FaultBed, _: int) -> None:
    made = undisturbed(bed, CHANGED[name])
    assert made.writes <= CHANGED[name].writes, f"{made.writes} writes: raise the bound, or find the reason"


def _crash(name: str, k: int, bed: FaultBed, seed: int) -> None:
    perform(bed, CHANGED[name], Script([Rule(Match(mutating=True), (Die(),), nth=k)], seed))


CASES = [
    *(Case(f"{name}-changed", partial(_changed, name)) for name in CHANGED),
    *(
        pytest.param(
            Case(f"{name}-changed-{k}", partial(_crash, name, k)),
            marks=() if name in IN_CI and k == 1 else pytest.mark.extended,
        )
        for name in CHANGED
        for k in (1, 2, 3)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_changed_pod_makes_no_second_head_and_no_delete(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """Pods count as what they were created as: no head gets another beside it, whatever its labels are."""
    verdict(case)
