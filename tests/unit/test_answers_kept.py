"""The memory of all heads' answers is bounded, and shared fairly by namespace."""

from random import Random

import pytest

from rayfleet.errors import GcsTrouble
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.polling.room import MOST_KEPT, AnswerRoom

A1, A2, A3, B1 = (
    Key("RayCluster", "a", "1"),
    Key("RayCluster", "a", "2"),
    Key("RayCluster", "a", "3"),
    Key("RayCluster", "b", "1"),
)


def gave_way(room: AnswerRoom, key: Key, size: int) -> list[Key]:
    return [one.key for one in room.keep(key, size)]


def test_the_namespace_that_holds_most_loses_its_largest_answer() -> None:
    room = AnswerRoom(100)
    assert not gave_way(room, A1, 50)
    assert not gave_way(room, A2, 30)
    (one,) = room.keep(B1, 40)
    assert one.key == A1
    assert one.failure.trouble is GcsTrouble.TOO_LARGE
    assert "all answers of this namespace together" in one.failure.message
    assert room.taken == 70


def test_the_newest_of_equal_answers_is_dropped_and_the_older_one_kept() -> None:
    """So two answers that do not both fit never take turns."""
    room = AnswerRoom(100)
    for key in (A1, A2):
        assert not gave_way(room, key, 50)
    for _ in range(3):
        assert gave_way(room, A3, 50) == [A3]
    assert not gave_way(room, A2, 10)
    assert not gave_way(room, A3, 30)
    assert gave_way(room, A3, 60) == [A3]
    assert room.taken == 90


def test_no_answer_is_dropped_for_one_that_is_not_kept_itself() -> None:
    room = AnswerRoom(100)
    for key, size in ((A1, 30), (A2, 30), (B1, 40)):
        assert not gave_way(room, key, size)
    new = Key("RayCluster", "c", "1")
    assert gave_way(room, new, 59) == [new]
    assert room.taken == 100
    assert gave_way(room, new, 30) == [A2]


def test_a_forgotten_answer_makes_room() -> None:
    room = AnswerRoom(100)
    room.keep(A1, 90)
    room.forget(A1)
    room.forget(A1)
    assert not gave_way(room, B1, 90)
    assert room.taken == 90


@pytest.mark.parametrize("seed", range(5))
def test_a_namespace_within_its_fair_share_never_loses_an_answer(seed: int) -> None:
    """Whatever the others answer, in any order; and the bound always holds."""
    random, room, namespaces = Random(seed), AnswerRoom(1000), [*"abcde", "honest"]  # noqa: S311 - drawn, not secret
    for _ in range(500):
        namespace = random.choice(namespaces)
        honest = namespace == "honest"
        key = Key("RayCluster", namespace, str(random.randrange(3 if honest else 20)))
        gone = gave_way(room, key, random.randint(0, 1000 // 6 // 3 if honest else 400))
        assert all(one.namespace != "honest" for one in gone)
        assert room.taken <= 1000


def test_a_thousand_ordinary_clusters_are_far_within_the_bound() -> None:
    from rayfleet.ray.gcs.replies import state_from  # noqa: PLC0415
    from support.stand_in_gcs import node, state  # noqa: PLC0415

    nodes = [node(f"w-{n}", CPU=8.0, GPU=1.0, memory=6e10) for n in range(4)]
    one = state_from(state(*nodes, demands={"GPU": 8}).SerializeToString())
    assert 0 < 1000 * one.size < MOST_KEPT / 10
