"""The checks of clusters that follow a queue notice scaling that is wrong on purpose."""

from collections.abc import Callable
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.broken_planners import PLANNERS, Planner
from support.faults.broken_scaling import (
    deletes_without_a_drain,
    drains_busy_nodes,
    serves_demand_twice,
    takes_unknown_for_zero,
)
from support.faults.case import Case
from support.faults.queue_trial import QueueTrial, queue_trial
from support.faults.queue_troubles import TROUBLES
from support.waiting import eventually

TROUBLE_S = 6.0
"""At most this long: the trouble is over once the first pod goes."""


def _found(trial: QueueTrial, words: str) -> list[str]:
    return [finding for finding in trial.verdict() if words in finding]


def _noticed(planner: Planner, busy: int, words: str, bed: FaultBed, _: int) -> None:
    """`busy` tasks have workers; then one of them ends, and another comes."""
    with queue_trial(bed, "broken") as trial:
        trial.begin(busy)
        assert not trial.verdict()
        with PLANNERS.breaking(trial.namespace.name, planner):
            trial.ray.finish(*sorted(trial.ray.busy)[:1])
            if not busy:
                trial.ray.submit(1)
            eventually("a finding", partial(_found, trial, words), why=trial.words)
            trial.crash()


def _unknown_is_zero(name: str, bed: FaultBed, _: int) -> None:
    with queue_trial(bed, "broken") as trial:
        trial.begin(3)
        with (
            PLANNERS.breaking(trial.namespace.name, takes_unknown_for_zero),
            pytest.raises(AssertionError, match="it shrank while the queue was not known"),
            trial.nothing_shrinks(TROUBLE_S),
        ):
            TROUBLES[name](trial)
        trial.crash()


BROKEN = [
    Case("no-drain", partial(_noticed, deletes_without_a_drain, 1, "whose Ray node was not drained")),
    Case("drains-busy", partial(_noticed, drains_busy_nodes, 2, "though it was said to be busy")),
    Case("demand-twice", partial(_noticed, serves_demand_twice, 0, "number 2, for 1 tasks")),
    *(Case(f"zero-{name}", partial(_unknown_is_zero, name)) for name in ("half-a-list", "silent")),
]


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_scaling_that_is_wrong_on_purpose_is_noticed(case: Case, verdict: Callable[[Case], None]) -> None:
    """A worker is wrongly deleted or drained, unknown is taken for zero, or a task gets two workers."""
    verdict(case)
