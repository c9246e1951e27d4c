"""Two clusters under one ceiling: the first gives back what the second gets, whatever goes wrong."""

from collections.abc import Callable, Mapping
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.rules import Answer, Die, LoseAnswer, Match, Rule, Script
from support.faults.runs import perform, undisturbed
from support.faults.scenario import UNDER_A_CEILING

_PODS = Match(("create",), ("pods",))
REFUSALS: Mapping[str, Answer | LoseAnswer] = {
    "quota": Answer(403, "Forbidden"),
    "busy": Answer(429, "TooManyRequests", 1),
    "lost": LoseAnswer(cut=True),
}


def _undisturbed(bed: FaultBed, _: int) -> None:
    made = undisturbed(bed, UNDER_A_CEILING)
    assert made.writes <= UNDER_A_CEILING.writes, f"{made.writes} writes: raise the bound, or find the reason"


def _crash(k: int, bed: FaultBed, seed: int) -> None:
    perform(bed, UNDER_A_CEILING, Script([Rule(Match(mutating=True), (Die(),), nth=k)], seed))


def _refused(name: str, bed: FaultBed, seed: int) -> None:
    perform(bed, UNDER_A_CEILING, Script([Rule(_PODS, (REFUSALS[name],), nth=2)], seed))


CASES = [
    Case("ceiling-undisturbed", _undisturbed),
    *(Case(f"ceiling-{k}", partial(_crash, k)) for k in (1, 3, 5, 7)),
    *(Case(f"ceiling-{name}", partial(_refused, name)) for name in REFUSALS),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_create_takes_gpus_above_the_ceiling(case: Case, verdict: Callable[[Case], None]) -> None:
    """The pods are the same in the end, and there are never more GPUs on the way."""
    verdict(case)
