"""Which schedules a RayCronJob may have, and which minutes they name: as for the reference."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfleet.api.raycronjob.cron_fields import parse_fields
from rayfleet.api.raycronjob.schedule import LONGEST_SCHEDULE, parse_schedule, ticks

START = datetime(2026, 1, 1, tzinfo=UTC)
"""A Thursday."""
FAR = datetime(2200, 1, 1, tzinfo=UTC)


def after(text: str, start: datetime = START, count: int = 3) -> list[str]:
    """The first ticks after `start`."""
    return [f"{tick:%Y-%m-%d %H:%M}" for tick in ticks(parse_schedule(text), start, FAR, count)]


SAME = [
    ("? ? ? ? ?", "* * * * *"),
    ("*/1 */1 */1 */1 */1", "* * * * *"),
    ("*/20 * * * *", "0,20,40 * * * *"),
    ("?/20 * * * *", "0,20,40 * * * *"),
    ("5/15 * * * *", "5,20,35,50 * * * *"),
    ("20-35/15 * * * *", "20,35 * * * *"),
    ("20-34/15 * * * *", "20 * * * *"),
    ("5-5 * * * *", "5 * * * *"),
    ("*/60 * * * *", "0 * * * *"),
    ("*/61 * * * *", "0 * * * *"),
    ("005 * * * *", "5 * * * *"),
    ("1,,2, * * * *", "1,2 * * * *"),
    ("3,1-2,1 * * * *", "1,2,3 * * * *"),
    ("0 0 ? * MON", "0 0 * * 1"),
    ("0 0 * jan,Mar-MAY *", "0 0 * 1,3,4,5 *"),
    ("0 0 * FEB/3 *", "0 0 * 2,5,8,11 *"),
    ("0 0 * * sun,Tue-THU", "0 0 * * 0,2,3,4"),
    ("0 0 * * MON/2", "0 0 * * 1,3,5"),
    ("0 0 5,* * MON", "0 0 * * 1"),
    ("  0\t0  * * *  ", "0 0 * * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
]


@pytest.mark.parametrize(("text", "plain"), SAME)
def test_names_ranges_lists_and_steps_are_short_for_numbers(text: str, plain: str) -> None:
    """Names may be in either case, a step after one number leads to the end, and ? is *."""
    assert parse_schedule(text) == parse_schedule(plain)


TICKS = [
    ("30 6 * * *", ["2026-01-01 06:30", "2026-01-02 06:30", "2026-01-03 06:30"]),
    ("0 0 1 * *", ["2026-02-01 00:00", "2026-03-01 00:00", "2026-04-01 00:00"]),
    ("0 0 31 * *", ["2026-01-31 00:00", "2026-03-31 00:00", "2026-05-31 00:00"]),
    ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
    ("0 9 * * 1-5", ["2026-01-01 09:00", "2026-01-02 09:00", "2026-01-05 09:00"]),
    ("0 0 * * 0", ["2026-01-04 00:00", "2026-01-11 00:00", "2026-01-18 00:00"]),
    # Both the day of the month and that of the week are given: either matches.
    ("0 0 13 * FRI", ["2026-01-02 00:00", "2026-01-09 00:00", "2026-01-13 00:00"]),
    ("0 0 */10 * MON", ["2026-01-05 00:00", "2026-01-11 00:00", "2026-01-12 00:00"]),
    ("0 0 1-31 * MON", ["2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00"]),
    ("0 0 30 2 MON", ["2026-02-02 00:00", "2026-02-09 00:00", "2026-02-16 00:00"]),
    # One of them is *: both must match.
    ("0 0 * * MON", ["2026-01-05 00:00", "2026-01-12 00:00", "2026-01-19 00:00"]),
    ("0 0 13 * */1", ["2026-01-13 00:00", "2026-02-13 00:00", "2026-03-13 00:00"]),
]


@pytest.mark.parametrize(("text", "expected"), TICKS)
def test_ticks_are_at_the_times_that_the_fields_name(text: str, expected: list[str]) -> None:
    """Without a time zone, by the clocks of UTC."""
    assert after(text) == expected


REFUSED = [
    ("", "has 0 of 5 fields"),
    ("0 0 * *", "has 4 of 5 fields"),
    ("0 0 0 * * *", "has 6 of 5 fields"),
    ("60 * * * *", "'60' is no minute; use 0 to 59"),
    ("* 24 * * *", "'24' is no hour; use 0 to 23"),
    ("* * 0 * *", "'0' is no day of month; use 1 to 31"),
    ("* * 32 * *", "'32' is no day of month"),
    ("* * * 13 *", "'13' is no month; use 1 to 12 or JAN to DEC"),
    ("* * * * 7", "'7' is no day of week; use 0 to 6 or SUN to SAT"),
    ("* * * * 1-7", "'7' is no day of week"),
    ("* * * * Sunday", "'Sunday' is no day of week"),
    ("* * * * FRI-MON", "'FRI-MON' ends before it begins; write it as two ranges"),
    ("10-5 * * * *", "'10-5' ends before it begins"),
    ("MON * * * *", "'MON' is no minute"),
    ("0 0 L * *", "'L' is no day of month"),
    ("0 0 * * MON#2", "'MON#2' is no day of week"),
    ("0 0 * * 5L", "'5L' is no day of week"),
    ("H * * * *", "'H' is no minute"),
    ("*/0 * * * *", "the step in '*/0' is 0"),
    ("*/-1 * * * *", "'*/-1' is no minute"),
    ("-5 * * * *", "'-5' is no minute"),
    ("+5 * * * *", "'+5' is no minute"),
    ("1-2-3 * * * *", "'1-2-3' is no minute"),
    ("1/2/3 * * * *", "'1/2/3' is no minute"),
    (", * * * *", "the minute is missing"),
    ("٣ * * * *", "'٣' is no minute"),
    ("0 0 30 2 *", "never comes: no month that it names has such a day; name another day or month"),
    ("0 0 31 4,6,9,11 *", "never comes"),
    ("TZ=UTC 0 0 * * *", "contains TZ; set spec.timeZone instead"),
    ("CRON_TZ=Europe/Berlin 0 0 * * *", "contains TZ"),
    ("@DAILY", "is no descriptor that is known; use @yearly"),
    ("@daily ", "is no descriptor that is known"),
    ("@reboot", "is no descriptor that is known"),
    ("@every", "is no descriptor that is known"),
    ("@every 1d", "is not a duration; write one like 30m"),
    ("@every  5m", "is not a duration"),
    ("@every 0s", "has a period of less than 10 seconds; use @every 10s or longer"),
    ("@every -5m", "has a period of less than 10 seconds"),
    ("@every 9.999s", "has a period of less than 10 seconds"),
    ("0 " * LONGEST_SCHEDULE, "is longer than 256 characters; use ranges and steps"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_what_cannot_be_a_schedule_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    """Among that is what some crons read and the reference does not, and what has no tick."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_schedule(text)


def test_a_period_counts_from_the_start_whatever_has_been() -> None:
    """So the ticks are the same after a restart, a lost status, and a clock that was wrong."""
    born = datetime(2026, 1, 1, 10, 0, 13, 500_000, tzinfo=UTC)
    schedule = parse_schedule("@every 1m30.9s", start=born)
    assert [f"{tick:%H:%M:%S}" for tick in ticks(schedule, born, FAR, 3)] == [
        "10:01:43",
        "10:03:13",
        "10:04:43",
    ]
    assert schedule.next_after(START) == schedule.next_after(born)
    assert schedule.last_until(born + timedelta(seconds=89)) is None
    assert schedule.last_until(born + timedelta(seconds=180)) == born.replace(minute=3, microsecond=0)


@pytest.mark.parametrize("text", ["* * * * *", "0 0 29 2 *", "@every 2562047h", "@every 10s"])
@pytest.mark.parametrize(
    "moment", [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
)
def test_a_moment_at_an_end_of_time_has_a_tick_or_none(text: str, moment: datetime) -> None:
    """Whoever may write a status can write any year into it."""
    schedule = parse_schedule(text, start=START)
    tick, before = schedule.next_after(moment), schedule.last_until(moment)
    assert tick is None or tick > moment
    assert before is None or before <= moment


def items(lowest: int, highest: int) -> st.SearchStrategy[str]:
    numbers = st.integers(lowest, highest)
    whole = st.one_of(
        st.sampled_from(["*", "?"]),
        numbers.map(str),
        st.lists(numbers, min_size=2, max_size=2).map(lambda ends: f"{min(ends)}-{max(ends)}"),
    )
    item = st.builds(lambda what, step: what + step, whole, st.sampled_from(["", "", "/1", "/2", "/7"]))
    return st.lists(item, min_size=1, max_size=3).map(",".join)


DAYS = timedelta(days=9)
MINUTES = [START + timedelta(minutes=count) for count in range(1, DAYS // timedelta(minutes=1) + 1)]
PARTS = [(at.minute, at.hour, at.day, at.month, at.isoweekday() % 7) for at in MINUTES]


@settings(max_examples=50)
@given(st.tuples(items(0, 59), items(0, 23), items(1, 31), items(1, 12), items(0, 6)).map(" ".join))
def test_ticks_are_the_minutes_that_match_one_by_one(text: str) -> None:
    """Compared with a search through each minute of nine days."""
    fields = parse_fields(text).expression.split()
    try:
        schedule = parse_schedule(text)
    except ValueError as refused:
        assert "never comes" in str(refused)  # noqa: PT017 - most texts are schedules
        return
    expected = list(matching(fields))
    assert list(ticks(schedule, START, START + DAYS, 50)) == expected[:50]
    assert schedule.last_until(START + DAYS) == (expected[-1] if expected else schedule.last_until(START))


def matching(fields: list[str]) -> Iterator[datetime]:
    """The minutes that match; a day matches by month or by week if both are restricted."""
    minute, hour, day, month, weekday = (
        set(range(60)) if field == "*" else set(map(int, field.split(","))) for field in fields
    )
    either = "*" not in {fields[2], fields[4]}
    for at, (m, h, d, mo, w) in zip(MINUTES, PARTS, strict=True):
        if m in minute and h in hour and mo in month:
            is_day = (d in day or w in weekday) if either else (d in day and w in weekday)
            if is_day:
                yield at
