"""What a process remembers between passes."""

import pytest

from rayfleet.engine.kind import Look
from rayfleet.engine.outcome import Failed, Outcome, outcome_of
from rayfleet.errors import ApiFailure, StatusCause
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import CreatePod

QUOTA = ApiFailure(403, "Forbidden", "exceeded quota")
OUTAGE = ApiFailure(0, "NoAnswer", "connection refused")
REFUSED = ApiFailure(
    422, "Invalid", 'Pod "x-7" is invalid', (StatusCause("spec.priority", "must not be set"),)
)


def create(group: str = "gpu", failure: ApiFailure | None = None) -> Outcome:
    return outcome_of(CreatePod("worker", group, "x", "hash-1", {}, "wanted"), failure)


def holds_after(*failures: ApiFailure | None) -> list[float]:
    """How many seconds the group is held after each of these answers in a row."""
    memory, holds = ClusterMemory(), []
    for failure in failures:
        memory.learn([create(failure=failure)], now=100.0)
        hold = memory.held.get("gpu")
        holds.append(0.0 if hold is None else hold.until - 100.0)
    return holds


def test_a_group_that_is_denied_is_held_longer_each_time_up_to_a_minute() -> None:
    """After a success it is not held."""
    assert holds_after(*[QUOTA] * 8, None, QUOTA) == [1, 2, 4, 8, 16, 32, 60, 60, 0, 1]


def test_a_request_without_an_answer_is_repeated_within_five_seconds() -> None:
    """So the return of the server is noticed soon."""
    assert holds_after(*[OUTAGE] * 5) == [1, 2, 4, 5, 5]


def test_retry_after_is_respected() -> None:
    """It counts if it is longer than our own backoff."""
    assert holds_after(ApiFailure(429, "TooManyRequests", "slow down", retry_after=9.0)) == [9]


def test_a_held_group_does_not_hold_another() -> None:
    """Each has its own backoff."""
    memory = ClusterMemory()
    memory.learn([create("a", QUOTA), create("b")], now=0.0)
    assert set(memory.held) == {"a"}


def test_after_a_denial_the_next_spec_is_tried_at_once() -> None:
    """If that is denied too, the backoff continues: changing the spec in a loop gains nothing."""
    memory = ClusterMemory()
    memory.learn([create(failure=QUOTA)], now=100.0)
    memory.learn([create(failure=QUOTA)], now=101.0)
    memory.meet(Look(102.0, 0.0))
    assert memory.held["gpu"].until == 103.0
    memory.meet(Look(102.0, 0.0, is_new_generation=True))
    assert (memory.held["gpu"].until, memory.held["gpu"].since) == (102.0, 100.0)
    memory.learn([create(failure=QUOTA)], now=102.0)
    assert memory.held["gpu"].until == 106.0


def test_a_retry_after_holds_whatever_the_spec() -> None:
    """The server has not judged the spec."""
    memory = ClusterMemory()
    memory.learn(
        [create(failure=ApiFailure(429, "TooManyRequests", "slow down", retry_after=9.0))], now=100.0
    )
    memory.meet(Look(101.0, 0.0, is_new_generation=True))
    assert memory.held["gpu"].until == 109.0


def test_a_refusal_is_remembered_without_the_pods_name() -> None:
    """It is remembered by template and holds nothing: another template is tried at once."""
    memory = ClusterMemory()
    memory.learn([create(failure=REFUSED)], now=0.0)
    assert memory.refused.words == {"hash-1": "spec.priority: must not be set"}
    assert memory.held == {}


@pytest.mark.parametrize(("wanting", "now", "left"), [({"gpu"}, 50.0, 1), (set(), 0.5, 1), (set(), 50.0, 0)])
def test_a_hold_is_forgotten_when_it_is_over_and_nobody_wants_pods(
    wanting: set[str], now: float, left: int
) -> None:
    """The group may have been made smaller."""
    memory = ClusterMemory()
    memory.learn([create(failure=QUOTA)], now=0.0)
    memory.release(wanting, now)
    assert len(memory.held) == left


MINIMA = (
    "[minimum cpu usage per Container is 100m, but request is 70m, minimum memory usage per Container is 1Gi]"
)
TURNED = (
    "[minimum memory usage per Container is 1Gi, minimum cpu usage per Container is 100m, but request is 70m]"
)


@pytest.mark.parametrize(
    ("first", "then", "reported"), [(MINIMA, TURNED, MINIMA), (MINIMA, MINIMA[:-2], MINIMA[:-2])]
)
def test_a_refusal_with_its_parts_in_another_order_is_the_same_message(
    first: str, then: str, reported: str
) -> None:
    """A map has no order: without this, each attempt would write a status and an event."""
    memory = ClusterMemory()
    memory.learn([create(failure=ApiFailure(403, "Forbidden", first))], now=0.0)
    (outcome,) = memory.learn([create(failure=ApiFailure(403, "Forbidden", then))], now=10.0)
    assert isinstance(outcome, Failed)
    assert (outcome.failure.message, memory.held["gpu"].words) == (reported, reported)


def test_the_refused_fields_of_a_template_are_sorted() -> None:
    """The API server may list them in any order."""
    causes = (StatusCause("spec.b", "no"), StatusCause("spec.a", "no"))
    memory = ClusterMemory()
    memory.learn([create(failure=ApiFailure(422, "Invalid", "?", causes))], now=0.0)
    assert memory.refused.words == {"hash-1": "spec.a: no; spec.b: no"}
