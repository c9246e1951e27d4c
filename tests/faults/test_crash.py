"""The operator dies after its k-th mutating call, for every k, and the next one goes on."""

import random
from collections.abc import Callable
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import SEED, Case
from support.faults.killed_process import KilledProcess
from support.faults.rules import Die, Match, Rule, Script
from support.faults.runs import perform, undisturbed
from support.faults.scenario import HELD, MULTI_HOST, SCENARIOS
from support.faults.trial import in_process

KILLS = 20
ALL = {**MULTI_HOST, **SCENARIOS, **HELD}


def _undisturbed(scenario: str, bed: FaultBed, _: int) -> None:
    made = undisturbed(bed, ALL[scenario])
    assert made.writes <= ALL[scenario].writes, f"{made.writes} writes: raise the bound, or find the reason"


def _crash(scenario: str, k: int, bed: FaultBed, seed: int, *, as_process: bool = False) -> None:
    launch = KilledProcess if as_process else in_process
    perform(bed, ALL[scenario], Script([Rule(Match(mutating=True), (Die(),), nth=k)], seed), launch)


def _points() -> list[tuple[str, int]]:
    return [(name, k) for name, scenario in ALL.items() for k in range(1, scenario.writes + 1)]


UNDISTURBED = [Case(f"{name}-undisturbed", partial(_undisturbed, name)) for name in ALL]
CRASHES = [Case(f"{name}-{k}", partial(_crash, name, k)) for name, k in _points()]
KILLED = [
    Case(f"{name}-{k}-killed", partial(_crash, name, k, as_process=True))
    for name, k in random.Random(SEED).sample(_points(), KILLS)  # noqa: S311 - chance in a test
]


@pytest.mark.parametrize("case", UNDISTURBED, ids=str)
def test_an_undisturbed_run_holds_every_invariant(case: Case, verdict: Callable[[Case], None]) -> None:
    """Every other run is compared with it."""
    verdict(case)


@pytest.mark.parametrize("case", CRASHES, ids=str)
def test_a_crash_after_any_write_changes_nothing_in_the_end(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """The same children are created and deleted, and existing pods keep their uid."""
    verdict(case)


@pytest.mark.parametrize("case", KILLED, ids=str)
def test_a_killed_process_changes_nothing_in_the_end(case: Case, verdict: Callable[[Case], None]) -> None:
    """A real process is killed with `kill -9`, after writes drawn by the seed."""
    verdict(case)
