"""On a real API server, the oracle notices planners that are wrong on purpose."""

from collections.abc import Iterator

import pytest

from support.faults.bed import FaultBed
from support.faults.broken_planners import (
    BROKEN,
    BYSTANDER,
    PLANNERS,
    Planner,
    Planners,
    deletes_a_stranger,
    writes_without_end,
)
from support.faults.rules import Script
from support.faults.scenario import DEMO, SCENARIOS, Apply
from support.faults.trial import Trial
from support.faults.wanted import Wanted
from support.waiting import eventually


@pytest.fixture
def planners() -> Planners:
    return PLANNERS


@pytest.fixture
def trial(bed: FaultBed) -> Iterator[Trial]:
    made = Trial(bed, "broken")
    yield made
    made.close()


@pytest.mark.parametrize(("planner", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_planner_is_noticed(planner: Planner, words: str, planners: Planners, trial: Trial) -> None:
    """The finding says what is wrong."""
    with planners.breaking(trial.namespace.name, planner):
        trial.start()
        trial.do(SCENARIOS["create"].steps[0])
        eventually("a finding", lambda: [w for w in trial.verdict() if words in w], why=trial.words)
        trial.crash()


def test_a_delete_of_a_strangers_pod_is_noticed(planners: Planners, trial: Trial) -> None:
    """A pod that no cluster owns."""
    container = {"name": "x", "image": "x"}
    stranger = {"metadata": {"name": BYSTANDER}, "spec": {"containers": [container]}}
    uid = trial.namespace.create("pods", stranger)["metadata"]["uid"]
    with planners.breaking(trial.namespace.name, deletes_a_stranger(lambda _: str(uid))):
        trial.start()
        trial.do(Apply(DEMO))
        eventually(
            "a finding",
            lambda: [w for w in trial.verdict() if "hit what no cluster owns" in w],
            why=trial.words,
        )
        trial.crash()


def test_writes_without_an_end_are_noticed(planners: Planners, trial: Trial) -> None:
    """Everything is as desired, and the operator still writes."""
    trial.start()
    trial.do(Apply(DEMO))
    trial.settle(Wanted(DEMO))
    trial.rest()
    trial.arm(Script())
    with planners.breaking(trial.namespace.name, writes_without_end):
        trial.namespace.delete_pod(trial.namespace.pods("ray.io/group=a")[0]["metadata"]["name"])
        eventually("a write", lambda: trial.writes, why=trial.words)
        with pytest.raises(AssertionError, match="the operator does not stop writing"):
            trial.rest(within=6)
        trial.crash()
