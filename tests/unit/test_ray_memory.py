"""What is remembered of a cluster's Ray: who was given up, by whom, and what a lost question means."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rayfleet.ray_inventory import DeathCause
from rayfleet.ray_memory import DRAIN_SECONDS, RayMemory
from rayfleet.ray_polling import Moment, Observation
from rayfleet.ray_state import NodeStatus, RayNode, RayState
from support.builders import NOW, head, worker
from support.queued_clusters import node, scaled

OF = scaled()
PODS = [head(OF), worker(OF, 1), worker(OF, 2)]
NODES = [node(pod, NodeStatus.IDLE) for pod in PODS]
FIRST = NODES[1].node_id
ALL, NONE = frozenset({FIRST}), frozenset[bytes]()


def seen(
    nodes: Sequence[RayNode], at: float = NOW, deaths: Mapping[bytes, DeathCause] | None = None
) -> Observation:
    """An answer."""
    state, moment = RayState("session", 7, tuple(nodes), (), (), ()), Moment(at, at)
    return Observation("uid", state, moment, session_since=moment, deaths=deaths or {})


def dead(cause: DeathCause) -> Observation:
    """The first worker's node is dead."""
    nodes = [NODES[0], replace(NODES[1], status=NodeStatus.DEAD), NODES[2]]
    return seen(nodes, deaths={FIRST: cause})


def test_a_node_that_was_given_up_before_us_is_found_until_it_is_acted_on() -> None:
    """Sizes are made smaller for it once."""
    memory = RayMemory()
    view = memory.view(dead(DeathCause.DRAIN_IDLE), PODS, NOW)
    assert (view.found_drained, view.drained) == (ALL, NONE)
    memory.acted_on(view, NOW)
    view = memory.view(dead(DeathCause.DRAIN_IDLE), PODS, NOW + 1)
    assert (view.found_drained, view.drained) == (NONE, ALL)


def test_a_node_that_died_of_something_else_is_not_taken_for_given_up() -> None:
    """It may join anew, and its place is needed."""
    for cause in set(DeathCause) - {DeathCause.DRAIN_IDLE}:
        view = RayMemory().view(dead(cause), PODS, NOW)
        assert not view.found_drained | view.drained


def test_a_drain_that_we_asked_for_is_not_found() -> None:
    """It is counted already."""
    memory = RayMemory()
    memory.asked_to_drain(FIRST, "", NOW)
    view = memory.view(dead(DeathCause.DRAIN_IDLE), PODS, NOW)
    assert (view.found_drained, view.drained) == (NONE, ALL)


def test_a_node_that_goes_on_long_after_it_was_to_be_drained_may_be_asked_again() -> None:
    """The question never came to Ray: else an idle worker would stay for ever."""
    memory = RayMemory()
    memory.asked_to_drain(FIRST, "", NOW)
    soon, late = NOW + DRAIN_SECONDS - 1, NOW + DRAIN_SECONDS
    assert memory.view(seen(NODES, soon), PODS, soon).drained == {FIRST}
    drained = [NODES[0], replace(NODES[1], status=NodeStatus.DRAINING), NODES[2]]
    assert memory.view(seen(drained, late), PODS, late).drained == {FIRST}
    assert memory.view(seen(NODES, late), PODS, late + 1).drained == frozenset()
