"""How often users are told of what a head's answers cause."""

from rayfleet.engine.event import Event
from rayfleet.engine.pacing import BURST, PERIOD, Tellings, Topic


def event(note: str = "why", reason: str = "DemandHeld") -> Event:
    return Event("Warning", reason, "Scale", note, heard=True)


def taken(tellings: Tellings, topic: Topic, clock: float, tries: int = 50) -> int:
    return sum(tellings.take(topic, clock) for _ in range(tries))


def test_ten_may_be_told_at_once_and_then_one_in_thirty_seconds() -> None:
    """However often it is asked."""
    tellings = Tellings()
    assert taken(tellings, Topic.STATUS, 0.0) == BURST == 10
    told = [second for second in range(1, 301) if tellings.take(Topic.STATUS, float(second))]
    assert told == [30 * n for n in range(1, 11)]


def test_after_five_quiet_minutes_ten_may_be_told_again_and_no_more() -> None:
    tellings = Tellings()
    taken(tellings, Topic.STATUS, 0.0)
    assert taken(tellings, Topic.STATUS, BURST * PERIOD) == BURST
    assert taken(tellings, Topic.STATUS, 100 * BURST * PERIOD) == BURST


def test_when_the_next_one_is_due_it_is_there_and_not_before() -> None:
    """So a pass that wakes then need not wake again."""
    tellings = Tellings()
    assert tellings.due(7.0) == 7.0
    taken(tellings, Topic.STATUS, 7.0)
    due = tellings.due(8.0)
    assert not tellings.take(Topic.STATUS, due - 0.1)
    assert tellings.take(Topic.STATUS, due)


def test_the_status_goes_before_events_that_have_not_waited_for_two_minutes() -> None:
    """A steady stream of statuses leaves events their share: one of five tokens."""
    tellings = Tellings()
    taken(tellings, Topic.STATUS, 0.0)
    told: list[Topic] = []
    for second in range(1, 301):
        told += [topic for topic in (Topic.EVENT, Topic.STATUS) if tellings.take(topic, float(second))]
    assert told == [*[Topic.STATUS] * 4, Topic.EVENT] * 2


def test_one_who_gave_up_keeps_nobody_waiting() -> None:
    """The status has become what it was."""
    tellings = Tellings()
    taken(tellings, Topic.EVENT, 0.0)
    assert not tellings.take(Topic.STATUS, 1.0)
    assert not tellings.take(Topic.EVENT, 2.0)
    tellings.settle(Topic.STATUS)
    assert tellings.take(Topic.EVENT, PERIOD)


def test_withheld_events_of_one_reason_are_told_as_one_with_their_number() -> None:
    """The last one, and how many there were; a million cost the memory of one."""
    tellings = Tellings()
    taken(tellings, Topic.EVENT, 0.0)
    for number in range(1000):
        tellings.withhold(event(f"name-{number} waits"))
    assert tellings.release(1.0) is None
    released = tellings.release(PERIOD)
    assert released is not None
    assert released.note == "name-999 waits (and 999 more of this kind before)"
    assert tellings.release(100 * PERIOD) is None
    assert not tellings.is_waiting(Topic.EVENT)


def test_of_withheld_events_of_several_reasons_the_first_is_told_first() -> None:
    tellings = Tellings()
    taken(tellings, Topic.EVENT, 0.0)
    for reason in ("ScalingUp", "DemandHeld", "ScalingUp"):
        tellings.withhold(event(reason=reason))
    told = [tellings.release(n * PERIOD) for n in (1, 2, 3)]
    assert [one.reason if one else None for one in told] == ["ScalingUp", "DemandHeld", None]


def test_a_note_with_a_number_is_no_longer_than_the_api_server_takes() -> None:
    assert len(event("…" * 341).with_more(123).note.encode()) <= 1024
