"""A head that answers anything, beside an honest cluster that follows its queue."""

import json
import time
from collections.abc import Callable
from functools import partial

import pytest

from rayfleet.engine.pacing import BURST, PERIOD
from support.builders import raycluster
from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.hostile_rays import LIES, HangingRay, anothers_nodes
from support.faults.proxy import Exchange
from support.faults.queue_trial import CLUSTER, QueueTrial, often_polled, queue_trial
from support.faults.wanted import Wanted
from support.queue_scene import GROUP, elastic
from support.waiting import eventually

HOSTILE = "hostile"
ANSWERS = 12
"""How often the hostile head answers before the honest cluster is to grow, and before it is to shrink."""
USUAL_S = 20.0
"""An honest cluster grows within two or three seconds on a quiet machine."""
LONG_S = 150.0
"""The time of five tokens."""
LARGEST_STATUS = 64 << 10


def _hostile(kind: str, seconds: float, bed: FaultBed, _: int) -> None:
    with queue_trial(bed, kind, often_polled) as trial:
        hostile = HangingRay(trial.proxy, trial.namespace.name)
        trial.bed.rays.follow(trial.namespace.name, HOSTILE, hostile)
        trial.begin(1)
        trial.namespace.apply(raycluster(HOSTILE, spec_fields=elastic()))
        trial.come_to_rest(Wanted({CLUSTER: {GROUP: 1}, HOSTILE: {GROUP: 0}}))
        first, began = len(trial.proxy.writes), time.monotonic()
        _turn(trial, hostile, kind)
        _served(trial, hostile)
        deadline = began + seconds
        while (left := deadline - time.monotonic()) > 0:
            trial.check_alive()
            trial.history.pause(min(left, 0.5))
        tokens = BURST + (time.monotonic() - began) / PERIOD
        reports = [str(e.call) for e in trial.proxy.writes[first:] if _tells(e)]
        assert len(reports) <= tokens, f"{len(reports)} writes and events for {tokens:.1f} tokens: {reports}"
        _check_statuses(trial)
        trial.check()


def _turn(trial: QueueTrial, hostile: HangingRay, kind: str) -> None:
    """From now on its answers are hostile."""
    if kind == "hanging-report":
        hostile.hangs = True
    elif kind == "anothers-nodes":
        hostile.lie = anothers_nodes(trial.history, CLUSTER)
    else:
        hostile.lie = LIES[kind]()


def _served(trial: QueueTrial, hostile: HangingRay) -> None:
    """The honest cluster gets two workers more, and gives back two that have ended."""
    _answers(hostile)
    _grows(trial)
    _answers(hostile)
    _shrinks(trial)


def _grows(trial: QueueTrial) -> None:
    trial.ray.submit(2)
    eventually(
        "the honest cluster to grow", lambda: len(trial.ray.busy) == 3, seconds=USUAL_S, why=trial.words
    )


def _shrinks(trial: QueueTrial) -> None:
    trial.ray.finish(*sorted(trial.ray.busy)[:2])
    of_honest = f"ray.io/cluster={CLUSTER},ray.io/group={GROUP}"
    eventually(
        "the honest cluster to shrink",
        lambda: len(trial.namespace.living_pods(of_honest)) == 1,
        seconds=USUAL_S,
        why=trial.words,
    )


def _answers(hostile: HangingRay) -> None:
    asked = hostile.polls
    eventually(f"{ANSWERS} hostile answers", lambda: hostile.polls >= asked + ANSWERS, seconds=60)


def _tells(exchange: Exchange) -> bool:
    """Whether the call writes a status or an event of the hostile cluster."""
    call = exchange.call
    if call.resource == "rayclusters/status":
        return call.name == HOSTILE
    return call.resource == "events" and (call.body.get("regarding") or {}).get("name") == HOSTILE


def _check_statuses(trial: QueueTrial) -> None:
    for change in trial.history.changes:
        size = len(json.dumps(change.obj.get("status"))) if change.kind == "rayclusters" else 0
        assert size <= LARGEST_STATUS, f"the status of {change.name} has {size} bytes"


KINDS = [*LIES, "anothers-nodes", "hanging-report"]
IN_CI = {"too-much", "new-names", "anothers-nodes", "hanging-report"}
CASES = [
    pytest.param(
        Case(f"head-{kind}{'-for-long' if seconds else ''}", partial(_hostile, kind, seconds)),
        marks=() if kind in IN_CI and not seconds else pytest.mark.extended,
    )
    for kind in KINDS
    for seconds in (0.0, LONG_S)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_head_keeps_no_other_cluster_waiting_and_is_reported_sparingly(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """The other cluster grows and shrinks as usual; statuses and events stay small and within the tokens."""
    verdict(case)


def _slow_once(bed: FaultBed, _: int) -> None:
    with queue_trial(bed, "slow-once") as trial:
        head = trial.ray = HangingRay(trial.proxy, trial.namespace.name)
        trial.bed.rays.follow(trial.namespace.name, CLUSTER, head)
        trial.begin(1)
        head.hangs = True
        _grows(trial)
        eventually("a report to time out", lambda: head.abandoned, why=trial.words)
        head.hangs = False
        _shrinks(trial)
        trial.check()


SLOW = [Case("slow-once", _slow_once)]


@pytest.mark.parametrize("case", SLOW, ids=str)
def test_a_head_that_was_slow_once_still_gives_back_soon(case: Case, verdict: Callable[[Case], None]) -> None:
    """One report without an answer in time is no reason to keep idle GPUs."""
    verdict(case)
