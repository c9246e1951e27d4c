"""Lists and watches that show an older state, as those of an API server that lags behind."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.call import Call
from support.faults.case import Case
from support.faults.rules import Die, ListAsOf, Match, Rule, Script, StreamFaults
from support.faults.runs import undisturbed
from support.faults.scenario import SCENARIOS
from support.faults.trial import Trial

LAG_S = 3.0
CLUSTERS = ("rayclusters",)
CHILDREN = ("pods", "services")


def _is_of_all_clusters(call: Call) -> bool:
    """The lists that fill the caches, not those that check again before a write."""
    return "=" not in call.query.get("labelSelector", "")


def _lagging(version: int, resources: tuple[str, ...], seed: int) -> Script:
    """For a while only consistent reads of one cluster show anything later than `version`."""
    until = time.monotonic() + LAG_S
    late = StreamFaults(wait_for=lambda: time.monotonic() >= until)
    lists = Rule(Match(("list",), resources, which=_is_of_all_clusters), (ListAsOf(version),))
    return Script([lists, Rule(Match(("watch",), resources), (late,))], seed, seconds=LAG_S + 2)


def _restart_in_the_past(
    scenario_name: str, k: int, resources: tuple[str, ...], bed: FaultBed, seed: int
) -> None:
    """Crash after the k-th write; the next operator first sees the state before the steps."""
    scenario = SCENARIOS[scenario_name]
    trial = Trial(bed, f"stale-{scenario_name}")
    try:
        trial.prepare(scenario)
        before = trial.server_version()
        trial.arm(Script([Rule(Match(mutating=True), (Die(),), nth=k)], seed))
        for index, step in enumerate(scenario.steps):
            trial.do(step)
            trial.settle(scenario.wanted_after(index), revived_with=lambda: _lagging(before, resources, seed))
        trial.come_to_rest(scenario.wanted_after(len(scenario.steps) - 1))
        assert trial.deaths, f"the run has fewer than {k} writes"
        wrong = trial.verdict()
        assert not wrong, "\n".join([*wrong, trial.words()])
        wanted, found = undisturbed(bed, scenario).outcome, trial.outcome()
        assert found == wanted, f"the result is {found},\nundisturbed {wanted}\n{trial.words()}"
    finally:
        trial.close()


POINTS = {
    "create": (2, 3, 4),
    "scale-up": (1, 2),
    "scale-down": (1, 2),
    "group-added-and-removed": (1, 2, 4),
    "worker-lost": (1,),
    "head-lost": (1, 2, 3),
    "two-clusters": (3, 6),
}
"""Writes after which a crash leaves something that an old view does not show."""
VIEWS = {"children": CHILDREN, "clusters": CLUSTERS, "all": CHILDREN + CLUSTERS}
CASES = [
    pytest.param(
        Case(f"{name}-{k}-{view}", partial(_restart_in_the_past, name, k, resources)),
        marks=() if view == "children" or k == points[0] else pytest.mark.extended,
    )
    for name, points in POINTS.items()
    for k in points
    for view, resources in VIEWS.items()
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operator_that_starts_in_the_past_does_no_harm(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """No pod is created twice, and none is deleted by mistake."""
    verdict(case)
