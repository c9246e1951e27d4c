"""The rate of status writes and events that a head's answers cause."""

from rayfleet.engine.event import Event
from rayfleet.engine.pacing import BURST, PERIOD, ReportBudget, Topic


def event(note: str = "why", reason: str = "DemandHeld") -> Event:
    return Event("Warning", reason, "Scale", note, heard=True)


def taken(budget: ReportBudget, topic: Topic, clock: float, tries: int = 50) -> int:
    return sum(budget.take(topic, clock) for _ in range(tries))


def test_ten_may_go_out_at_once_and_then_one_in_thirty_seconds() -> None:
    """The number of attempts does not matter."""
    budget = ReportBudget()
    assert taken(budget, Topic.STATUS, 0.0) == BURST == 10
    later = [second for second in range(1, 301) if budget.take(Topic.STATUS, float(second))]
    assert later == [30 * n for n in range(1, 11)]


def test_after_five_quiet_minutes_ten_may_go_out_again_and_no_more() -> None:
    budget = ReportBudget()
    taken(budget, Topic.STATUS, 0.0)
    assert taken(budget, Topic.STATUS, BURST * PERIOD) == BURST
    assert taken(budget, Topic.STATUS, 100 * BURST * PERIOD) == BURST


def test_the_next_token_exists_exactly_when_it_is_due() -> None:
    """So a pass at that time need not be repeated."""
    budget = ReportBudget()
    assert budget.due(7.0) == 7.0
    taken(budget, Topic.STATUS, 7.0)
    due = budget.due(8.0)
    assert not budget.take(Topic.STATUS, due - 0.1)
    assert budget.take(Topic.STATUS, due)


def test_the_status_goes_before_events_that_have_not_waited_for_two_minutes() -> None:
    """A stream of statuses leaves one of five tokens to events."""
    budget = ReportBudget()
    taken(budget, Topic.STATUS, 0.0)
    served: list[Topic] = []
    for second in range(1, 301):
        served += [topic for topic in (Topic.EVENT, Topic.STATUS) if budget.take(topic, float(second))]
    assert served == [*[Topic.STATUS] * 4, Topic.EVENT] * 2


def test_a_topic_that_no_longer_waits_delays_no_other() -> None:
    """The status has changed back."""
    budget = ReportBudget()
    taken(budget, Topic.EVENT, 0.0)
    assert not budget.take(Topic.STATUS, 1.0)
    assert not budget.take(Topic.EVENT, 2.0)
    budget.settle(Topic.STATUS)
    assert budget.take(Topic.EVENT, PERIOD)


def test_withheld_events_of_one_reason_are_posted_as_one_with_their_number() -> None:
    """It has the last note and their number; a million cost the memory of one."""
    budget = ReportBudget()
    taken(budget, Topic.EVENT, 0.0)
    for number in range(1000):
        budget.withhold(event(f"name-{number} waits"))
    assert budget.release(1.0) is None
    released = budget.release(PERIOD)
    assert released is not None
    assert released.note == "name-999 waits (and 999 more of this kind before)"
    assert budget.release(100 * PERIOD) is None
    assert not budget.is_waiting(Topic.EVENT)


def test_of_withheld_events_of_several_reasons_the_first_goes_out_first() -> None:
    budget = ReportBudget()
    taken(budget, Topic.EVENT, 0.0)
    for reason in ("ScalingUp", "DemandHeld", "ScalingUp"):
        budget.withhold(event(reason=reason))
    released = [budget.release(n * PERIOD) for n in (1, 2, 3)]
    assert [one.reason if one else None for one in released] == ["ScalingUp", "DemandHeld", None]


def test_a_note_with_a_number_is_no_longer_than_the_api_server_accepts() -> None:
    assert len(event("…" * 341).with_more(123).note.encode()) <= 1024
