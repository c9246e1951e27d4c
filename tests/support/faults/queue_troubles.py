"""Troubles of a Ray whose queue is followed, and what must hold meanwhile."""

from collections.abc import Callable, Mapping
from functools import partial

from support.builders import raycluster
from support.faults.queue_trial import CLUSTER, QueueTrial, of_size
from support.faults.rays import FaultyRay
from support.faults.rules import Script
from support.pretend_ray import Reply
from support.queue_scene import elastic
from support.waiting import eventually


def _half(reply: Reply) -> Reply:
    """The answer without the last of the nodes, which may be busy."""
    del reply.cluster_resource_state.node_states[-2:]
    return reply


def _empty(reply: Reply) -> Reply:
    del reply.cluster_resource_state.node_states[:]
    return reply


def _another_session(reply: Reply) -> Reply:
    """The answer of a head that has restarted and has no workers yet."""
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
    """End the trouble, whatever it was."""
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
        condition = partial(trial.namespace.condition, CLUSTER, "Autoscaling")
        eventually(
            "the condition to say so",
            lambda: condition().get("reason") == "QueueUnknown",
            seconds=6,
            why=condition,
        )
    assert not neighbour.lost
    trial.namespace.delete_cluster("neighbour")
    _recovered(trial)
    trial.come_to_rest(of_size(1))
    trial.check()
