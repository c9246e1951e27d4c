"""An operator on a machine whose clock is 20 minutes ahead of the API server's, or behind it."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.rules import Answer, Match, Rule, Script
from support.faults.scenario import DEMO, Apply, Lose
from support.faults.trial import Trial
from support.faults.wanted import Wanted
from support.faults.wrong_clock import off_by

MINUTES_S = 20 * 60.0
SOON_S = 20.0
"""Replaced pods start within two or three seconds on a quiet machine; the longest hold here is ten."""
TOLERANCE_S = 10.0
"""The API server and this process are on one machine, with one clock."""
QUOTA = Rule(Match(("create",), ("pods",)), (Answer(403, "Forbidden"),), nth=1)


def _wrong(seconds: float, bed: FaultBed, _: int) -> None:
    trial = Trial(bed, "clock", off_by(seconds))
    began = time.time()
    try:
        trial.start()
        trial.do(Apply(DEMO))
        trial.settle(Wanted(DEMO))
        for lost in (Lose("demo", "headgroup", ends=True), Lose("demo", "a", ends=True)):
            trial.do(lost)
            trial.settle(Wanted(DEMO), SOON_S)
        trial.arm(Script([QUOTA]))
        grown = {"demo": {"a": 3}}
        trial.do(Apply(grown))
        trial.settle(Wanted(grown), SOON_S)
        assert trial.proxy.script.applied, "nothing was refused"
        trial.rest()
        _check_times(trial, began)
        wrong = trial.verdict()
        assert not wrong, "\n".join([*wrong, trial.words()])
    finally:
        trial.close()


def _check_times(trial: Trial, began: float) -> None:
    """What users read is by the API server's clock."""
    conditions = trial.namespace.status("demo")["conditions"]
    transitions = {c["type"]: datetime.fromisoformat(c["lastTransitionTime"]).timestamp() for c in conditions}
    wrong = {
        kind: at - began
        for kind, at in transitions.items()
        if not began - TOLERANCE_S <= at <= time.time() + TOLERANCE_S
    }
    assert not wrong, f"seconds since the beginning: {wrong}"


CASES = [
    Case("clock-ahead", partial(_wrong, MINUTES_S)),
    Case("clock-behind", partial(_wrong, -MINUTES_S)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wrong_clock_delays_nothing_and_is_not_reported(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """Dead heads and workers are replaced, and what was refused is tried again, within seconds."""
    verdict(case)
