"""Watch events that are missed, doubled, late or out of order; streams that are cut, silent or gone."""

from collections.abc import Callable, Mapping
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.call import Call
from support.faults.case import Case
from support.faults.rules import Answer, Match, Rule, Script, SmallPages, StreamFaults
from support.faults.runs import perform
from support.faults.scenario import SCENARIOS

WATCHES = Match(verbs=("watch",))
CHILDREN = ("pods", "services")
EXPIRED = Answer(410, "Expired")


def _is_continued(call: Call) -> bool:
    return "continue" in call.query


STREAMS: Mapping[str, StreamFaults] = {
    "all": StreamFaults(double=0.2, late=0.2, reorder=0.2, miss=0.05, cut=0.05, gone=0.05),
    "doubled": StreamFaults(double=0.7),
    "late": StreamFaults(late=0.7, late_seconds=1.0),
    "reordered": StreamFaults(reorder=0.5),
    "missed": StreamFaults(miss=0.2),
    "cut": StreamFaults(cut=0.3),
    "gone": StreamFaults(gone=0.3),
}
RULES: Mapping[str, tuple[Rule, ...]] = {
    **{name: (Rule(WATCHES, (faults,)),) for name, faults in STREAMS.items()},
    # It takes the operator 70 to 90 s to notice.
    "silent-pods": (Rule(Match(("watch",), ("pods",)), (StreamFaults(silent=1.0),), nth=1),),
    "silent-clusters": (Rule(Match(("watch",), ("rayclusters",)), (StreamFaults(silent=1.0),), nth=1),),
    "gone-at-watch": (Rule(Match(("watch",), CHILDREN), (EXPIRED,), chance=0.5),),
    "gone-at-list": (Rule(Match(("list",), CHILDREN), (EXPIRED,), chance=0.5),),
    "gone-at-continue": (
        Rule(Match(("list",), CHILDREN, which=_is_continued), (EXPIRED,), chance=0.5),
        Rule(Match(("list",), CHILDREN), (SmallPages(1),)),
        Rule(Match(("watch",), CHILDREN), (StreamFaults(gone=0.3),)),
    ),
}
ROUNDS = 3
LONGEST_S = 150.0


def _disturb(scenario: str, kind: str, bed: FaultBed, seed: int) -> None:
    perform(bed, SCENARIOS[scenario], Script(RULES[kind], seed), restarted=True, seconds=LONGEST_S)


def _is_for_ci(kind: str, number: int) -> bool:
    return kind == "all" or (number == 1 and kind in {"missed", "cut", "gone-at-continue"})


CASES = [
    pytest.param(
        Case(f"{name}-{kind}-{number}", partial(_disturb, name, kind)),
        marks=() if _is_for_ci(kind, number) else pytest.mark.extended,
    )
    for name in SCENARIOS
    for kind in RULES
    for number in range(1, 1 + (1 if kind.startswith("silent") else ROUNDS))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_faults_of_events_do_not_change_the_end(case: Case, verdict: Callable[[Case], None]) -> None:
    """The same children are created and deleted as when every event arrives once, in time and in order."""
    verdict(case)
