"""Clusters that follow their queue: the operator dies, and Ray is dead, silent, confused or lies."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import pytest

from rayfleet.main import Operator
from support.builders import raycluster
from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.operator_thread import OperatorThread
from support.faults.queue_trial import (
    CLUSTER,
    SCENARIOS,
    QueueTrial,
    of_size,
    perform,
    queue_trial,
    undisturbed,
)
from support.faults.rays import FaultyRay
from support.faults.rules import Die, LoseAnswer, Match, Rule, Script
from support.faults.trial import Trial
from support.pretend_ray import Reply
from support.queue_scene import GROUP, elastic
from support.waiting import eventually

TROUBLE_S, LONG_TROUBLE_S = 4.0, 60.0
"""Several times the idle timeout of one second."""
POLLS = 60


def _undisturbed(name: str, bed: FaultBed, _: int) -> None:
    writes = undisturbed(bed, SCENARIOS[name])[1]
    assert writes <= SCENARIOS[name].writes, f"{writes} writes: raise the bound, or find out why"


def _crash(name: str, k: int, bed: FaultBed, seed: int) -> None:
    perform(bed, SCENARIOS[name], Script([Rule(Match(mutating=True), (Die(),), nth=k)], seed))


def _lost_drain(k: int, action: LoseAnswer, bed: FaultBed, seed: int) -> None:
    perform(bed, SCENARIOS["queue-down"], Script([Rule(Match(("drain",)), (action,), nth=k)], seed))


UNDISTURBED = [Case(f"{name}-undisturbed", partial(_undisturbed, name)) for name in SCENARIOS]
CRASHES = [
    Case(f"{name}-{k}", partial(_crash, name, k))
    for name, scenario in SCENARIOS.items()
    if not scenario.finish
    for k in range(1, scenario.writes + 1)
]
LOST_DRAINS = [
    Case(f"drain-{k}-{'cut' if action.cut else 'never'}", partial(_lost_drain, k, action))
    for k, action in product((1, 2), (LoseAnswer(cut=True), LoseAnswer(cut=False)))
]


@pytest.mark.parametrize("case", UNDISTURBED, ids=str)
def test_an_undisturbed_run_follows_the_queue(case: Case, verdict: Callable[[Case], None]) -> None:
    """What every other run is compared with."""
    verdict(case)


@pytest.mark.parametrize("case", CRASHES, ids=str)
def test_a_crash_while_a_queue_is_followed_changes_nothing_in_the_end(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """After any write or drain: the same pods, none twice, and whatever was busy still is."""
    verdict(case)


@pytest.mark.parametrize("case", LOST_DRAINS, ids=str)
def test_a_drain_whose_answer_is_lost_is_made_up_for(case: Case, verdict: Callable[[Case], None]) -> None:
    """Ray has given the node up and nobody was told; or it does not say."""
    verdict(case)


def _half(reply: Reply) -> Reply:
    """Without the last of the nodes, which may be busy."""
    del reply.cluster_resource_state.node_states[-2:]
    return reply


def _empty(reply: Reply) -> Reply:
    del reply.cluster_resource_state.node_states[:]
    return reply


def _another_session(reply: Reply) -> Reply:
    """Of a head that has started anew, and has no workers yet."""
    reply.cluster_resource_state.cluster_session_name = "session_2"
    del reply.cluster_resource_state.node_states[1:]
    return reply


def _lies(lie: Callable[[Reply], Reply], trial: QueueTrial) -> None:
    trial.ray.lie = lie


def _killed(trial: QueueTrial) -> None:
    trial.bed.loop.run(trial.ray.stop())


def _silent(trial: QueueTrial) -> None:
    trial.ray.silent = True


def _recovered(trial: QueueTrial) -> None:
    """Whatever the trouble was."""
    trial.ray.lie, trial.ray.silent = None, False
    trial.bed.loop.run(trial.ray.come_back())


TROUBLES: Mapping[str, Callable[[QueueTrial], None]] = {
    "killed": _killed,
    "silent": _silent,
    "half-a-list": partial(_lies, _half),
    "empty-list": partial(_lies, _empty),
    "another-session": partial(_lies, _another_session),
}


def unknown_queue(trial: QueueTrial, trouble: Callable[[QueueTrial], None], seconds: float) -> None:
    """Two of three workers become idle while Ray is in trouble, and they go when it has recovered."""
    neighbour = FaultyRay(trial.proxy, trial.namespace.name)
    trial.bed.rays.follow(trial.namespace.name, "neighbour", neighbour)
    trial.begin(3)
    trial.arm(Script())
    trouble(trial)
    polls = trial.ray.polls
    with trial.nothing_shrinks(seconds):
        if trouble is not _killed:
            eventually("Ray to be asked in its trouble", lambda: trial.ray.polls > polls)
        trial.ray.finish(*sorted(trial.ray.busy)[:2])
        trial.namespace.apply(raycluster("neighbour", spec_fields=elastic()))
        neighbour.submit(1)
        eventually("another cluster to follow its queue", lambda: neighbour.busy)
        # Not urgent: it may wait for ten seconds after the last write of the status.
        told = partial(trial.namespace.condition, CLUSTER, "Autoscaling")
        eventually("the condition to say so", lambda: told().get("reason") == "QueueUnknown", why=told)
    assert not neighbour.lost
    trial.namespace.delete_cluster("neighbour")
    _recovered(trial)
    trial.come_to_rest(of_size(1))
    trial.check()


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
    """What is idle by then goes afterwards, what is busy stays, and other clusters are not affected."""
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
    """Not before Ray has told of the whole cluster, and then only what is idle."""
    verdict(case)


def often_polled(trial: Trial) -> OperatorThread:
    """An operator that asks each head as often as it may."""

    def adapt(operator: Operator) -> None:
        async def poke() -> None:
            while True:
                for key in tuple(operator._clusters):
                    operator._poller.poke(key)
                await asyncio.sleep(0.1)

        operator._recorder.poking = asyncio.create_task(poke())  # type: ignore[attr-defined]  # kept alive

    return OperatorThread(trial.proxy.port, trial.bed.token, trial.arguments, adapt)


def steady(trial: QueueTrial) -> None:
    """Sixty answers in which only clocks move lead to no write."""
    trial.begin(2)
    writes, polls = len(trial._writes()), trial.ray.polls
    eventually(f"{POLLS} polls", lambda: trial.ray.polls >= polls + POLLS, seconds=30)
    written = [str(e.call) for e in tuple(trial.proxy.exchanges) if e.call.mutating][writes:]
    assert not written, f"writes of a steady cluster: {written}"


def _steady(bed: FaultBed, _: int) -> None:
    with queue_trial(bed, "steady", often_polled) as trial:
        steady(trial)
        trial.check()


@pytest.mark.parametrize("case", [Case("steady", _steady)], ids=str)
def test_a_steady_cluster_is_polled_without_a_write(case: Case, verdict: Callable[[Case], None]) -> None:
    """However often it is asked."""
    verdict(case)
