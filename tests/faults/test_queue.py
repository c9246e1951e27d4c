"""Clusters that follow their queue: the operator dies, and Ray is dead, silent, confused or lies."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.queue_trial import (
    CLUSTER,
    SCENARIOS,
    QueueTrial,
    of_size,
    often_polled,
    perform,
    queue_trial,
    undisturbed,
)
from support.faults.queue_troubles import TROUBLES, unknown_queue
from support.faults.rules import Cut, Die, LoseAnswer, Match, Rule, Script
from support.queue_scene import GROUP
from support.waiting import eventually

TROUBLE_S, LONG_TROUBLE_S = 4.0, 60.0
"""Several times the idle timeout of one second."""
POLLS = 60


def _undisturbed(name: str, bed: FaultBed, _: int) -> None:
    writes = undisturbed(bed, SCENARIOS[name])[1]
    assert writes <= SCENARIOS[name].writes, f"{writes} writes: raise the bound, or find the reason"


def _crash(name: str, k: int, bed: FaultBed, seed: int) -> None:
    perform(bed, SCENARIOS[name], Script([Rule(Match(mutating=True), (Die(),), nth=k)], seed))


def _lost_drain(k: int, action: LoseAnswer | Cut, bed: FaultBed, seed: int) -> None:
    perform(bed, SCENARIOS["queue-down"], Script([Rule(Match(("drain",)), (action,), nth=k)], seed))


UNDISTURBED = [Case(f"{name}-undisturbed", partial(_undisturbed, name)) for name in SCENARIOS]
CRASHES = [
    Case(f"{name}-{k}", partial(_crash, name, k))
    for name, scenario in SCENARIOS.items()
    for k in range(1, scenario.writes + 1)
]
LOSSES: Mapping[str, LoseAnswer | Cut] = {
    "cut": LoseAnswer(cut=True),
    "never": LoseAnswer(cut=False),
    "unasked": Cut(),
}
LOST_DRAINS = [
    Case(f"drain-{k}-{name}", partial(_lost_drain, k, LOSSES[name])) for k, name in product((1, 2), LOSSES)
]


@pytest.mark.parametrize("case", UNDISTURBED, ids=str)
def test_an_undisturbed_run_follows_the_queue(case: Case, verdict: Callable[[Case], None]) -> None:
    """Every other run is compared with it."""
    verdict(case)


@pytest.mark.parametrize("case", CRASHES, ids=str)
def test_a_crash_while_a_queue_is_followed_changes_nothing_in_the_end(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """After a crash at any write or drain the pods are the same, none twice, and busy ones stay busy."""
    verdict(case)


@pytest.mark.parametrize("case", LOST_DRAINS, ids=str)
def test_a_drain_whose_answer_is_lost_is_finished(case: Case, verdict: Callable[[Case], None]) -> None:
    """Ray has drained the node and its answer was lost; its state does not show it; or it was never asked."""
    verdict(case)


def _unknown(name: str, seconds: float, bed: FaultBed, _: int) -> None:
    with queue_trial(bed, name) as trial:
        unknown_queue(trial, TROUBLES[name], seconds)


UNKNOWN = [
    pytest.param(
        Case(f"{name}-{seconds:.0f}s", partial(_unknown, name, seconds)),
        marks=() if seconds == TROUBLE_S else pytest.mark.extended,
    )
    for name in TROUBLES
    for seconds in (TROUBLE_S, LONG_TROUBLE_S)
]


@pytest.mark.parametrize("case", UNKNOWN, ids=str)
def test_nothing_shrinks_while_the_queue_is_not_known(case: Case, verdict: Callable[[Case], None]) -> None:
    """Idle workers go afterwards, busy ones stay, and other clusters are not affected."""
    verdict(case)


def _forgotten(kind: str, bed: FaultBed, _: int) -> None:
    """The status is wiped, or as it was before there was a worker, when another operator starts."""
    with queue_trial(bed, kind) as trial:
        trial.begin(0)
        old = trial.namespace.cluster(CLUSTER)["status"]
        trial.ray.submit(3)
        trial.come_to_rest(of_size(3))
        trial.arm(Script())
        trial.crash()
        now = trial.namespace.cluster(CLUSTER)["status"]
        kept = old if kind == "restored" else {}
        trial.namespace.set_cluster_status(CLUSTER, {**dict.fromkeys(now), **kept})
        with trial.nothing_shrinks(TROUBLE_S):
            trial.ray.silent = True
            trial.restart()
            polls = trial.ray.polls
            eventually("the next operator to ask", lambda: trial.ray.polls > polls)
        assert len(trial.namespace.living_pods(f"ray.io/group={GROUP}")) == 3
        trial.ray.silent = False
        trial.come_to_rest(of_size(3))
        assert not trial.shrinking()
        trial.ray.finish(*sorted(trial.ray.busy)[:2])
        trial.come_to_rest(of_size(1))
        trial.check()


FORGOTTEN = [Case(f"status-{kind}", partial(_forgotten, kind)) for kind in ("wiped", "restored")]


@pytest.mark.parametrize("case", FORGOTTEN, ids=str)
def test_a_status_that_was_lost_shrinks_nothing(case: Case, verdict: Callable[[Case], None]) -> None:
    """Not before Ray has reported the whole cluster, and then only what is idle."""
    verdict(case)


def steady(trial: QueueTrial) -> None:
    """Sixty answers in which only clocks move lead to no write."""
    trial.begin(2)
    writes, polls = len(trial.proxy.writes), trial.ray.polls
    eventually(f"{POLLS} polls", lambda: trial.ray.polls >= polls + POLLS, seconds=30)
    written = [str(e.call) for e in trial.proxy.writes[writes:]]
    assert not written, f"writes of a steady cluster: {written}"


def _steady(bed: FaultBed, _: int) -> None:
    with queue_trial(bed, "steady", often_polled) as trial:
        steady(trial)
        trial.check()


@pytest.mark.parametrize("case", [Case("steady", _steady)], ids=str)
def test_a_steady_cluster_is_polled_without_a_write(case: Case, verdict: Callable[[Case], None]) -> None:
    """The number of polls does not matter."""
    verdict(case)
