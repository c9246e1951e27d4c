"""Scenarios run undisturbed and with faults, and the two compared."""

import threading
from collections import defaultdict
from dataclasses import dataclass

from support.faults.bed import FaultBed
from support.faults.rules import Script
from support.faults.scenario import Scenario
from support.faults.trial import SETTLE_S, Launch, Outcome, Trial, in_process


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """The result of a scenario if nothing goes wrong."""

    outcome: Outcome
    writes: int


_made: dict[str, Undisturbed] = {}
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def undisturbed(bed: FaultBed, scenario: Scenario) -> Undisturbed:
    """The scenario without any fault, run once for all cases that are compared with it."""
    with _locks[scenario.name]:
        if scenario.name not in _made:
            trial = Trial(bed, scenario.name)
            try:
                run(trial, scenario, Script())
                _made[scenario.name] = Undisturbed(trial.outcome(), trial.writes)
            finally:
                trial.close()
        return _made[scenario.name]


def perform(
    bed: FaultBed,
    scenario: Scenario,
    script: Script,
    launch: Launch = in_process,
    *,
    restarted: bool = False,
    seconds: float = SETTLE_S,
) -> None:
    """Run the scenario with faults; fails unless the result is the same as without them.

    With `restarted` another operator starts right before the steps, so that it begins under the script.
    Each step may take `seconds`.
    """
    trial = Trial(bed, scenario.name, launch)
    try:
        run(trial, scenario, script, restarted=restarted, seconds=seconds)
        wanted, found = undisturbed(bed, scenario).outcome, trial.outcome()
        assert found == wanted, f"the result is {found},\nundisturbed {wanted}\n{trial.words()}"
    finally:
        trial.close()


def run(
    trial: Trial,
    scenario: Scenario,
    script: Script,
    *,
    restarted: bool = False,
    seconds: float = SETTLE_S,
) -> None:
    """Take the steps one by one, each from a settled state; fails if anything happens that must not."""
    trial.prepare(scenario)
    trial.arm(script)
    if restarted:
        trial.crash()
        trial.restart(script)
    script.begin()
    for index, step in enumerate(scenario.steps):
        trial.do(step)
        trial.settle(scenario.wanted_after(index), seconds)
    trial.come_to_rest(scenario.wanted_after(len(scenario.steps) - 1), seconds)
    wrong = trial.verdict()
    assert not wrong, "\n".join([*wrong, trial.words()])
