"""No dimension of a head's answer is without a bound: up to it the answer is read, beyond it is refused."""

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
    """In each dimension by itself."""
    most, answer = EXACT[dimension]
    state_from(answer(most).SerializeToString())
    with pytest.raises(TooMuch):
        state_from(answer(most + 1).SerializeToString())


def test_words_of_what_a_node_does_are_cut_and_no_reason_to_refuse() -> None:
    """Nothing hangs on them."""
    one = node("w-1")
    one.node_activity.append("busy" * bounds.LONGEST_NAME)
    (found,) = state_from(state(one).SerializeToString()).nodes
    assert len(found.activity[0]) == bounds.LONGEST_NAME


@pytest.mark.parametrize("kind", blown_up())
def test_an_answer_of_empty_entries_is_counted_before_it_is_unpacked(kind: str) -> None:
    """Each byte of it would become fifty."""
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
    """Nodes, actors and jobs are asked for with a limit, which a head need not keep to."""
    with pytest.raises(TooMuch):
        read(b"\x12\x00" * (bounds.MOST_LISTED + 1))


def test_a_bundle_that_is_there_ten_thousand_times_is_unpacked_once() -> None:
    """And is one entry."""
    most, answer = EXACT["bundles"]
    (gang,) = state_from(answer(most).SerializeToString()).gangs
    assert [bundle.count for bundle in gang.bundles] == [most]


@pytest.mark.parametrize("queue", ["shapes", "alternatives"])
def test_what_an_answer_takes_is_estimated_rather_too_high_than_too_low(queue: str) -> None:
    """All answers together are bounded by that."""
    raw = QUEUES[queue]().SerializeToString()
    tracemalloc.start()
    found = state_from(raw)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.9 * taken < found.size < 2 * taken
