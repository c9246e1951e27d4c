"""Random specs, valid and invalid, and changes from one to another."""

import random
import time
from collections import Counter
from collections.abc import Callable, Collection

import pytest

from rayfleet.engine.workqueue import Done, Retry
from rayfleet.kube.objects.keys import Key
from rayfleet.wiring import Operator
from support.builders import template
from support.faults.bed import FaultBed
from support.faults.broken_planners import PLANNERS
from support.faults.call import Call
from support.faults.case import TALLY, Case
from support.faults.fleet_of_specs import condition, described, fate, may_differ, shape, submit, unsettled
from support.faults.operator_thread import OperatorThread
from support.faults.random_specs import RandomSpecs
from support.faults.rules import Hold, Match, Rule, Script
from support.faults.scenario import spec_of
from support.faults.trial import Trial
from support.faults.wanted import Wanted
from support.waiting import eventually

BATCHES, CI_BATCHES = 20, 3
PER_BATCH = 25
SETTLE_S = 60.0
MOST_WRITES, MOST_PASSES = 60, 120
"""Bounds for one cluster, through two specs of at most ten pods each. A hot loop exceeds them in seconds."""


class Passes:
    """Counts the passes over each cluster, inside the operator."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def launch(self, trial: Trial) -> OperatorThread:
        return OperatorThread(trial.proxy.port, trial.bed.token, trial.arguments, self._count, PLANNERS)

    def _count(self, operator: Operator) -> None:
        work = operator._loop.queue._work

        async def counted(key: Key) -> Done | Retry:
            self.counts[key.name] += 1
            return await work(key)

        operator._loop.queue._work = counted


def _batch(bed: FaultBed, seed: int) -> None:
    specs = RandomSpecs(random.Random(seed))  # noqa: S311 - chance in a test
    passes = Passes()
    trial = Trial(bed, "input", passes.launch)
    try:
        trial.start()
        changed, fresh = _submit_pairs(trial, specs)
        _settle(trial, [*changed, *fresh])
        trial.check_alive()
        trial.rest(within=SETTLE_S)
        _check_loops(trial, passes)
        TALLY.update(f"specs {fate(trial.history, name)}" for name in changed)
        TALLY["specs refused by the API server"] += PER_BATCH - len(changed)
        for one, other in zip(changed, fresh, strict=True):
            if may_differ(trial.history, one, other):
                TALLY["specs of which less can be made than is there"] += 1
                continue
            found, wanted = shape(trial.history, one), shape(trial.history, other)
            assert found == wanted, (
                f"{one} became {found}, from scratch it is {wanted}: "
                f"{described(trial.history, one)}\n{other}: {described(trial.history, other)}"
            )
    finally:
        trial.close()


def _submit_pairs(trial: Trial, specs: RandomSpecs) -> tuple[list[str], list[str]]:
    """Each changed cluster gets a first spec and then another, which its twin has from the beginning.

    The same goes for its labels and annotations.
    """
    changed, fresh = [], []
    names = [f"changed-{number}" for number in range(PER_BATCH)]
    taken = [name for name in names if not submit(trial.namespace, name, specs.draw(), specs.metadata())]
    _settle(trial, taken)
    for number in range(PER_BATCH):
        spec, metadata = specs.draw(), specs.metadata()
        if submit(trial.namespace, f"fresh-{number}", spec, metadata):
            continue
        # A second spec may not be allowed after the first one; then there is nothing to compare.
        if not submit(trial.namespace, f"changed-{number}", spec, metadata):
            changed.append(f"changed-{number}")
            fresh.append(f"fresh-{number}")
    return changed, fresh


def _settle(trial: Trial, names: Collection[str]) -> None:
    for name in names:
        trial.history.catch_up("rayclusters", trial.namespace.cluster(name))
    deadline = time.monotonic() + SETTLE_S
    while words := [w for name in names if (w := unsettled(trial.history, name))]:
        trial.check_alive()
        assert time.monotonic() < deadline, f"timed out after {SETTLE_S:g} s waiting for: " + "\n".join(words)
        trial.history.pause(0.2)


def _check_loops(trial: Trial, passes: Passes) -> None:
    writes = Counter(_cluster_of(e.call) for e in trial.proxy.writes)
    hot = {name: count for name, count in writes.items() if count > MOST_WRITES}
    assert not hot, f"too many writes: {hot}\n{trial.words()}"
    hot = {name: count for name, count in passes.counts.items() if count > MOST_PASSES}
    assert not hot, f"too many passes: {hot}"


def _cluster_of(call: Call) -> str:
    """The cluster that a write is about."""
    if call.resource.startswith("rayclusters"):
        return call.name
    regarding = call.body.get("regarding") or {}
    metadata = call.body.get("metadata") or {}
    labels = metadata.get("labels") or {}
    return str(regarding.get("name") or labels.get("ray.io/cluster") or call.name.rpartition("-")[0])


CASES = [
    pytest.param(Case(f"batch-{number}", _batch), marks=() if number <= CI_BATCHES else pytest.mark.extended)
    for number in range(1, BATCHES + 1)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_any_spec_converges_or_is_called_invalid(case: Case, verdict: Callable[[Case], None]) -> None:
    """Writes and passes are bounded; and a changed cluster becomes what a new one of its spec would be."""
    verdict(case)


def _late_refusal(bed: FaultBed, _: int) -> None:
    trial = Trial(bed, "late")
    try:
        trial.start()
        trial.proxy.script = Script([Rule(Match(("create",), ("services",)), (Hold(2.0),), nth=1)])
        refused = {**spec_of({"a": 1}), "headGroupSpec": {"serviceType": "Odd", "template": template()}}
        assert not submit(trial.namespace, "demo", refused)
        eventually(
            "the Service to be asked for",
            lambda: any(call.resource == "services" for _, call in tuple(trial.proxy.calls) if call.mutating),
        )
        assert not submit(trial.namespace, "demo", spec_of({"a": 1}))
        trial.come_to_rest(Wanted({"demo": {"a": 1}}))
        trial.bed.catch_up(trial.namespace)
        statuses = {
            (obj["status"].get("observedGeneration"), condition(obj, "ReplicaFailure"))
            for obj in (change.obj for change in trial.history.changes if change.kind == "rayclusters")
            if "status" in obj
        }
        assert (1, "True") in statuses, f"the refusal was not reported: {statuses}"
        assert (2, "True") not in statuses, "the refusal of the first spec was reported for the second"
    finally:
        trial.close()


LATE = Case("late-refusal", _late_refusal)


@pytest.mark.parametrize("case", [LATE], ids=str)
def test_a_late_refusal_is_reported_for_the_spec_that_it_was_about(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """`observedGeneration` names that spec, and the next one starts without a failure."""
    verdict(case)
