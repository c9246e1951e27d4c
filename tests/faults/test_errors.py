"""Bursts of errors: some requests fail, or all of them, for a while."""

from collections.abc import Callable, Mapping
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.rules import Action, Answer, Cut, Match, Rule, Script
from support.faults.runs import perform
from support.faults.scenario import SCENARIOS, Apply, Scenario

CHILDREN = ("pods", "services")
CONFLICT = Answer(409, "Conflict")
BUSY = Answer(429, "TooManyRequests", retry_after=1)
BROKEN = Answer(500, "InternalError")
AWAY = Answer(503, "ServiceUnavailable")
HANG = Cut(after=2.0)

BURSTS: Mapping[str, tuple[Action, ...]] = {
    "any": (BUSY, BROKEN, AWAY, HANG, Cut()),
    "409": (CONFLICT,),
    "429": (BUSY,),
    "500": (BROKEN,),
    "503": (AWAY,),
    "timeout": (HANG, Cut(after=35.0)),
}
SHORT_S, LONG_S = 3.0, 20.0


def _burst(scenario: str, kind: str, share: float, seconds: float, bed: FaultBed, seed: int) -> None:
    # Only writes are answered with a conflict; any request may fail otherwise, the Lease's too.
    mutating = True if kind == "409" else None
    rules = [
        Rule(Match(mutating=True), (CONFLICT,), chance=share / 5 if kind == "any" else 0.0),
        Rule(Match(mutating=mutating), BURSTS[kind], chance=share, leases=kind != "409"),
    ]
    perform(bed, SCENARIOS[scenario], Script(rules, seed, seconds))


def _is_for_ci(kind: str, share: float, seconds: float) -> bool:
    return seconds == SHORT_S and (kind in {"any", "409"} or (kind == "429" and share == 1))


CASES = [
    pytest.param(
        Case(f"{name}-{kind}-{share:.0%}-{seconds:.0f}s", partial(_burst, name, kind, share, seconds)),
        marks=() if _is_for_ci(kind, share, seconds) else pytest.mark.extended,
    )
    for name in SCENARIOS
    for kind in BURSTS
    for share in (0.1, 1.0)
    for seconds in (SHORT_S, LONG_S)
]


BY_ONE = {
    scenario.name: scenario
    for scenario in (
        Scenario("one-less", {"demo": {"a": 2}}, (Apply({"demo": {"a": 1}}),), writes=6),
        Scenario("one-more", {"demo": {"a": 1}}, (Apply({"demo": {"a": 2}}),), writes=6),
        SCENARIOS["head-lost"],
    )
}
"""Scenarios of a single write, so that no event of another write leads to another pass."""


def _once(scenario: str, verb: str, action: Action, bed: FaultBed, seed: int) -> None:
    perform(bed, BY_ONE[scenario], Script([Rule(Match((verb,), CHILDREN), (action,), nth=1)], seed))


ONCE = [
    Case(f"{scenario}-{verb}-{action.status}", partial(_once, scenario, verb, action))
    for scenario, verb in (("one-less", "delete"), ("one-more", "create"), ("head-lost", "create"))
    for action in (CONFLICT, BUSY, BROKEN)
]


@pytest.mark.parametrize("case", ONCE, ids=str)
def test_a_write_that_fails_once_is_repeated(case: Case, verdict: Callable[[Case], None]) -> None:
    """It is repeated without waiting for an event that may never come."""
    verdict(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_burst_of_errors_passes_without_a_trace(case: Case, verdict: Callable[[Case], None]) -> None:
    """The same children are created and deleted as without it."""
    verdict(case)
