"""Specs as large and odd as possible, changed repeatedly, beside an honest cluster."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.fleet_of_specs import submit, unsettled
from support.faults.hostile_specs import SPECS
from support.faults.random_specs import RandomSpecs
from support.faults.scenario import Apply
from support.faults.trial import Trial
from support.waiting import eventually

HONEST, HOSTILE = "demo", "hostile"
SIZES = (4, 1, 3)
USUAL_S = 20.0
"""An honest cluster is changed within two or three seconds on a quiet machine."""
SETTLE_S = 90.0
CHANGE_S = 0.5
"""Between two changes of the hostile cluster: each is followed by a pass, or several."""


def _hostile(kind: str, bed: FaultBed, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - chance in a test
    trial = Trial(bed, kind)
    try:
        trial.start()
        trial.do(Apply({HONEST: {"a": 2}}))
        _await(trial, HONEST, SETTLE_S)
        refused = submit(trial.namespace, HOSTILE, SPECS[kind](rng), RandomSpecs(rng).metadata())
        assert bool(refused) == (kind == "one-group-too-many"), refused
        with _changed_all_the_time(trial, rng):
            for size in SIZES:
                trial.do(Apply({HONEST: {"a": size}}))
                _await(trial, HONEST, USUAL_S)
        if not refused:
            _await(trial, HOSTILE, SETTLE_S)
        trial.rest(within=SETTLE_S)
        wrong = trial.verdict()
        assert not wrong, "\n".join([*wrong, trial.words()])
    finally:
        trial.close()


def _await(trial: Trial, name: str, seconds: float) -> None:
    trial.check_alive()
    eventually(
        f"{name} to be as its spec says",
        lambda: not unsettled(trial.history, name),
        seconds=seconds,
        why=lambda: unsettled(trial.history, name)[-2_000:],
    )


@contextmanager
def _changed_all_the_time(trial: Trial, rng: random.Random) -> Iterator[None]:
    """Its annotations and labels change every half second, with all that may mean something."""
    ended = threading.Event()
    namespace = trial.namespace.api.another().namespace(trial.namespace.name)
    specs = RandomSpecs(rng)
    there = namespace.cluster(HOSTILE)["spec"] if _is_there(trial) else None

    def change() -> None:
        while there is not None and not ended.wait(CHANGE_S):
            submit(namespace, HOSTILE, there, specs.metadata())
        if there is not None:
            submit(namespace, HOSTILE, there)
        namespace.api.close()

    changing = threading.Thread(target=change, name="changing")
    changing.start()
    try:
        yield
    finally:
        ended.set()
        changing.join()


def _is_there(trial: Trial) -> bool:
    return any(cluster["metadata"]["name"] == HOSTILE for cluster in trial.namespace.clusters())


IN_CI = {"odd-start-params", "no-group-may-grow"}
CASES = [
    pytest.param(
        Case(f"spec-{kind}", partial(_hostile, kind)), marks=() if kind in IN_CI else pytest.mark.extended
    )
    for kind in SPECS
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_spec_keeps_no_other_cluster_waiting(case: Case, verdict: Callable[[Case], None]) -> None:
    """The other cluster is changed as usual, and the hostile one comes to rest or says why not."""
    verdict(case)
