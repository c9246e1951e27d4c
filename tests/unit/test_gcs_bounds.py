"""Every dimension of a head's answer has a bound: up to it the answer is read, beyond it refused."""

import tracemalloc
from collections.abc import Callable
from time import process_time

import pytest

from rayfleet.ray.gcs import bounds
from rayfleet.ray.gcs.books import actors_from, jobs_from, nodes_from
from rayfleet.ray.gcs.bounds import TooMuch, Unbelievable
from rayfleet.ray.gcs.replies import state_from
from support.hostile_answers import EXACT, blown_up
from support.hostile_queues import QUEUES
from support.stand_in_gcs import node, state

MIB = 1 << 20


@pytest.mark.parametrize("dimension", EXACT)
def test_an_answer_is_read_up_to_its_bound_and_not_beyond(dimension: str) -> None:
    """Each dimension has its own bound."""
    most, answer = EXACT[dimension]
    state_from(answer(most).SerializeToString())
    with pytest.raises(TooMuch):
        state_from(answer(most + 1).SerializeToString())


def test_a_long_activity_of_a_node_is_cut_and_not_refused() -> None:
    """Nothing depends on it."""
    one = node("w-1")
    one.node_activity.append("busy" * bounds.LONGEST_NAME)
    (found,) = state_from(state(one).SerializeToString()).nodes
    assert len(found.activity[0]) == bounds.LONGEST_NAME


@pytest.mark.parametrize("kind", blown_up())
def test_an_answer_of_empty_entries_is_counted_before_it_is_unpacked(kind: str) -> None:
    """Each byte of it would become fifty in memory."""
    raw = blown_up()[kind]
    tracemalloc.start()
    began = process_time()
    with pytest.raises(Unbelievable):
        state_from(raw)
    taken = process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB
    assert taken < 1.0


@pytest.mark.parametrize("read", [nodes_from, actors_from, jobs_from])
def test_a_list_of_too_many_is_not_read(read: Callable[[bytes], object]) -> None:
    """Requests for nodes, actors and jobs have a limit, which a head may ignore."""
    with pytest.raises(TooMuch):
        read(b"\x12\x00" * (bounds.MOST_LISTED + 1))


def test_a_bundle_that_is_repeated_ten_thousand_times_is_parsed_once() -> None:
    """It is one entry."""
    most, answer = EXACT["bundles"]
    (gang,) = state_from(answer(most).SerializeToString()).gangs
    assert [bundle.count for bundle in gang.bundles] == [most]


@pytest.mark.parametrize("queue", ["shapes", "alternatives"])
def test_the_estimated_memory_of_an_answer_is_never_too_low(queue: str) -> None:
    """The estimate bounds all answers together."""
    raw = QUEUES[queue]().SerializeToString()
    tracemalloc.start()
    found = state_from(raw)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.9 * taken < found.size < 2 * taken
