"""The k-th write is carried out, and its answer is lost or late."""

from collections.abc import Callable
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.rules import Action, DelayAnswer, LoseAnswer, Match, Rule, Script
from support.faults.runs import perform
from support.faults.scenario import HELD, SCENARIOS

ALL = {**SCENARIOS, **HELD}
FATES: dict[str, Action] = {
    "cut": LoseAnswer(cut=True),
    "late": DelayAnswer(10.0),
    "dropped": LoseAnswer(cut=False),
}
CI = {("late", "create", 2), ("late", "head-lost", 1), ("late", "head-lost", 2), ("late", "scale-down", 1)}
"""The slow cases that run in CI: a head, an epoch, a delete."""


def _lose(scenario: str, fate: str, k: int, bed: FaultBed, seed: int) -> None:
    script = Script([Rule(Match(mutating=True), (FATES[fate],), nth=k)], seed)
    perform(bed, ALL[scenario], script)


CASES = [
    pytest.param(
        Case(f"{name}-{k}-{fate}", partial(_lose, name, fate, k)),
        marks=() if fate == "cut" or (fate, name, k) in CI else pytest.mark.extended,
    )
    for name, scenario in ALL.items()
    for fate in FATES
    for k in range(1, scenario.writes + 1)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_write_whose_answer_is_lost_is_not_made_twice(case: Case, verdict: Callable[[Case], None]) -> None:
    """The same children are created and deleted as when all answers arrive."""
    verdict(case)
