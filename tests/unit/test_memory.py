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
    """Seconds that the group is left alone after each of these answers in a row."""
    memory, holds = ClusterMemory(), []
    for failure in failures:
        memory.learn([create(failure=failure)], now=100.0)
        hold = memory.held.get("gpu")
        holds.append(0.0 if hold is None else hold.until - 100.0)
    return holds


def test_a_group_that_is_denied_is_left_alone_longer_each_time_up_to_a_minute() -> None:
    """And not at all any more after a success."""
    assert holds_after(*[QUOTA] * 8, None, QUOTA) == [1, 2, 4, 8, 16, 32, 60, 60, 0, 1]


def test_a_server_that_does_not_answer_is_asked_again_within_five_seconds() -> None:
    """So that its return is noticed soon."""
    assert holds_after(*[OUTAGE] * 5) == [1, 2, 4, 5, 5]


def test_retry_after_is_heeded() -> None:
    """Where it asks for more than our own backoff."""
    assert holds_after(ApiFailure(429, "TooManyRequests", "slow down", retry_after=9.0)) == [9]


def test_one_group_that_is_held_does_not_hold_another() -> None:
    """Each has its own backoff."""
    memory = ClusterMemory()
    memory.learn([create("a", QUOTA), create("b")], now=0.0)
    assert set(memory.held) == {"a"}


def test_what_was_denied_to_one_spec_is_asked_for_at_once_with_the_next() -> None:
    """If that is denied too, the backoff goes on where it was: changing the spec in a loop gains nothing."""
    memory = ClusterMemory()
    memory.learn([create(failure=QUOTA)], now=100.0)
    memory.learn([create(failure=QUOTA)], now=101.0)
    memory.meet(Look(102.0, 0.0))
    assert memory.held["gpu"].until == 103.0
    memory.meet(Look(102.0, 0.0, is_new_generation=True))
    assert (memory.held["gpu"].until, memory.held["gpu"].since) == (102.0, 100.0)
    memory.learn([create(failure=QUOTA)], now=102.0)
    assert memory.held["gpu"].until == 106.0


def test_a_server_that_asked_for_patience_is_left_alone_whatever_the_spec() -> None:
    """It did not answer what was asked for."""
    memory = ClusterMemory()
    memory.learn(
        [create(failure=ApiFailure(429, "TooManyRequests", "slow down", retry_after=9.0))], now=100.0
    )
    memory.meet(Look(101.0, 0.0, is_new_generation=True))
    assert memory.held["gpu"].until == 109.0


def test_a_refusal_is_remembered_in_words_that_do_not_change_with_the_pods_name() -> None:
    """By template, and it holds nothing: another template may go at once."""
    memory = ClusterMemory()
    memory.learn([create(failure=REFUSED)], now=0.0)
    assert memory.refused.words == {"hash-1": "spec.priority: must not be set"}
    assert memory.held == {}


@pytest.mark.parametrize(("wanting", "now", "left"), [({"gpu"}, 50.0, 1), (set(), 0.5, 1), (set(), 50.0, 0)])
def test_a_hold_is_forgotten_when_it_is_over_and_nobody_wants_pods(
    wanting: set[str], now: float, left: int
) -> None:
    """Such as after the group was made smaller."""
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
def test_words_of_a_refusal_that_come_in_another_order_are_the_same_message(
    first: str, then: str, reported: str
) -> None:
    """A map has no order: without this, each attempt would write a status and an event."""
    memory = ClusterMemory()
    memory.learn([create(failure=ApiFailure(403, "Forbidden", first))], now=0.0)
    (outcome,) = memory.learn([create(failure=ApiFailure(403, "Forbidden", then))], now=10.0)
    assert isinstance(outcome, Failed)
    assert (outcome.failure.message, memory.held["gpu"].words) == (reported, reported)


def test_fields_that_a_template_was_refused_for_are_named_in_one_order() -> None:
    """However the API server lists them."""
    causes = (StatusCause("spec.b", "no"), StatusCause("spec.a", "no"))
    memory = ClusterMemory()
    memory.learn([create(failure=ApiFailure(422, "Invalid", "?", causes))], now=0.0)
    assert memory.refused.words == {"hash-1": "spec.a: no; spec.b: no"}
