"""What is remembered of a cluster's Ray: drained nodes, who drained them, and lost questions."""

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kinds.raycluster.sources.ray_memory import (
    DRAIN_SECONDS,
    KEEP_SECONDS,
    SETTLE_SECONDS,
    RayMemory,
)
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import STALE_SECONDS, Moment, Observation
from rayfleet.ray.state import NodeStatus, RayNode, RayState
from support.builders import NOW, head, worker
from support.queued_clusters import heard, node, scaled

OF = scaled()
PODS = [head(OF), worker(OF, 1), worker(OF, 2)]
NODES = [node(pod, NodeStatus.IDLE) for pod in PODS]
FIRST = NODES[1].node_id
ALL, NONE = frozenset({FIRST}), frozenset[bytes]()


def seen(
    nodes: Sequence[RayNode], at: float = NOW, deaths: Mapping[bytes, DeathCause] | None = None
) -> Observation:
    """An answer with these nodes."""
    state, moment = RayState("session", 7, tuple(nodes), (), (), ()), Moment(at, at)
    return Observation("uid", state, moment, session_since=moment, deaths=deaths or {})


def dead(cause: DeathCause) -> Observation:
    """The nodes with the first worker's dead."""
    nodes = [NODES[0], replace(NODES[1], status=NodeStatus.DEAD), NODES[2]]
    return seen(nodes, deaths={FIRST: cause})


def test_a_node_that_was_drained_before_us_is_found_until_it_is_acted_on() -> None:
    """Sizes are reduced for it once."""
    memory = RayMemory()
    view = heard(memory, dead(DeathCause.DRAIN_IDLE), PODS, NOW)
    assert (view.found_drained, view.drained) == (ALL, NONE)
    memory.acted_on(view, NOW)
    view = heard(memory, dead(DeathCause.DRAIN_IDLE), PODS, NOW + 1)
    assert (view.found_drained, view.drained) == (NONE, ALL)


def test_a_node_that_died_of_something_else_is_not_taken_for_drained() -> None:
    """It may join again, and its place is needed."""
    for cause in set(DeathCause) - {DeathCause.DRAIN_IDLE}:
        view = heard(RayMemory(), dead(cause), PODS, NOW)
        assert not view.found_drained | view.drained


def test_a_drain_of_our_own_is_not_found() -> None:
    """It is already counted."""
    memory = RayMemory()
    memory.asked_to_drain(FIRST, NOW)
    view = heard(memory, dead(DeathCause.DRAIN_IDLE), PODS, NOW)
    assert (view.found_drained, view.drained) == (NONE, ALL)


def test_a_node_that_goes_on_long_after_it_was_to_be_drained_may_be_asked_again() -> None:
    """The question never came to Ray: otherwise an idle worker would stay."""
    memory = RayMemory()
    memory.asked_to_drain(FIRST, NOW)
    soon, late = NOW + DRAIN_SECONDS - 1, NOW + DRAIN_SECONDS
    assert heard(memory, seen(NODES, soon), PODS, soon).drained == {FIRST}
    drained = [NODES[0], replace(NODES[1], status=NodeStatus.DRAINING), NODES[2]]
    assert heard(memory, seen(drained, late), PODS, late).drained == {FIRST}
    assert heard(memory, seen(NODES, late), PODS, late + 1).drained == frozenset()


def test_no_decision_is_made_on_an_answer_older_than_fifteen_seconds() -> None:
    """The cluster may have changed completely; the bound is exact."""
    memory = RayMemory()
    assert not heard(memory, seen(NODES), PODS, NOW + STALE_SECONDS).trouble
    view = heard(memory, seen(NODES), PODS, NOW + STALE_SECONDS + 0.1)
    assert (view.trouble, view.since) == ("the head has not been polled for a while", NOW)
    assert STALE_SECONDS == 15


def test_no_decision_is_made_on_a_part_of_rays_nodes() -> None:
    """The pod of a living node exists, and Ray does not even list that node as dead."""
    memory = RayMemory()
    assert not heard(memory, seen(NODES), PODS, NOW).trouble
    view = heard(memory, seen(NODES[:2], NOW + 1), PODS, NOW + 1)
    assert view.trouble == "Ray does not list 1 node that it had"
    assert not heard(memory, seen(NODES[:2], NOW + 2), PODS[:2], NOW + 2).trouble


def test_no_decision_is_made_on_an_answer_without_a_living_head() -> None:
    """A head that lists only workers, or itself as dead, has not started completely."""
    for head_node in ([], [replace(NODES[0], status=NodeStatus.DEAD)]):
        assert heard(RayMemory(), seen([*head_node, *NODES[1:]]), PODS, NOW).trouble


def test_no_decision_is_made_in_a_new_session_before_its_workers_had_time_to_join() -> None:
    """A restarted head knows no worker, which does not mean that they are idle."""
    memory = RayMemory()
    assert not heard(memory, seen(NODES), PODS, NOW).trouble

    def trouble_of(nodes: Sequence[RayNode], after: float) -> str:
        state = RayState("another", 7, tuple(nodes), (), (), ())
        at = Moment(NOW + after, NOW + after)
        answer = Observation("uid", state, at, session_since=Moment(NOW, NOW))
        return heard(memory, answer, PODS, NOW + after).trouble

    assert "has restarted" in trouble_of(NODES[:1], 1)
    assert "has restarted" in trouble_of(NODES[:2], SETTLE_SECONDS - 1)
    assert not trouble_of(NODES[:2], SETTLE_SECONDS)


def test_decisions_are_made_at_once_in_a_new_session_that_all_workers_have_joined() -> None:
    """The session is complete."""
    memory = RayMemory()
    assert not heard(memory, seen(NODES), PODS, NOW).trouble
    answer = Observation("uid", RayState("another", 7, tuple(NODES), (), (), ()), Moment(NOW + 1, 1))
    assert not heard(memory, answer, PODS, NOW + 1).trouble


def test_a_node_that_ray_would_not_drain_is_kept_for_a_moment() -> None:
    """The drain is repeated later."""
    memory = RayMemory()
    memory.asked_to_drain(FIRST, NOW)
    memory.refused_to_drain(FIRST, NOW)
    view = heard(memory, seen(NODES), PODS, NOW)
    assert set(view.kept) == ALL
    assert view.drained == NONE
    later = NOW + KEEP_SECONDS
    assert heard(memory, seen(NODES, later), PODS, later).kept == {}


@pytest.mark.parametrize("trouble", [GcsTrouble.TOO_LARGE, GcsTrouble.INVALID])
def test_an_answer_that_is_not_kept_is_reported(trouble: GcsTrouble) -> None:
    """The answer before does not count either: nothing shrinks."""
    answer = replace(seen(NODES), failure=GcsFailure(trouble, "4001 nodes"), unknown_since=Moment(NOW, NOW))
    view = heard(RayMemory(), answer, PODS, NOW)
    assert view.trouble == "the head's answer was rejected: 4001 nodes"


def test_a_first_answer_that_is_not_kept_does_not_count_as_silence() -> None:
    """A head whose answer was not kept has answered."""
    answer = Observation("uid", failure=GcsFailure(GcsTrouble.TOO_LARGE, "4001 nodes"))
    assert heard(RayMemory(), answer, PODS, NOW).trouble == "the head's answer was rejected: 4001 nodes"
