"""Ticks where clocks are set forward and back, and the names of time zones."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfleet.api.raycronjob.cron_fields import parse_fields
from rayfleet.api.raycronjob.schedule import parse_schedule, ticks, time_zone

REPOSITORY = Path(__file__).parents[2]
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"

# In 2027 the clocks of Berlin go from 2:00 to 3:00 on March 28 and from 3:00 to 2:00 on October 31; those of
# New York from 2:00 to 3:00 on March 14 and from 2:00 to 1:00 on November 7; those of Lord Howe from 2:00 to
# 1:30 on April 4 and from 2:00 to 2:30 on October 3. A row: the zone, the schedule, the moment in UTC after
# which ticks are sought, and the ticks by the clocks of the zone.
CLOCKS = [
    (BERLIN, "30 2 * * *", "2027-03-27 00:00", ["03-27 02:30+0100", "03-29 02:30+0200"]),
    (BERLIN, "0 2 * * *", "2027-03-27 00:00", ["03-27 02:00+0100", "03-29 02:00+0200"]),
    (BERLIN, "0 3 * * *", "2027-03-27 00:00", ["03-27 03:00+0100", "03-28 03:00+0200"]),
    (BERLIN, "0 */2 * * *", "2027-03-27 22:00", ["03-28 00:00+0100", "03-28 04:00+0200"]),
    (
        BERLIN,
        "*/30 1-3 * * *",
        "2027-03-28 00:00",
        ["03-28 01:30+0100", "03-28 03:00+0200", "03-28 03:30+0200"],
    ),
    (BERLIN, "0 * * * *", "2027-03-27 23:00", ["03-28 01:00+0100", "03-28 03:00+0200"]),
    (BERLIN, "30 2 * * *", "2027-10-30 00:00", ["10-30 02:30+0200", "10-31 02:30+0200", "11-01 02:30+0100"]),
    (BERLIN, "0 3 * * *", "2027-10-30 00:00", ["10-30 03:00+0200", "10-31 03:00+0100"]),
    (BERLIN, "*/30 2 * * *", "2027-10-31 00:00", ["10-31 02:30+0200", "11-01 02:00+0100"]),
    (BERLIN, "0 0-22 * * *", "2027-10-30 23:00", ["10-31 02:00+0200", "10-31 03:00+0100"]),
    (BERLIN, "0 * * * *", "2027-10-30 23:00", ["10-31 02:00+0200", "10-31 02:00+0100", "10-31 03:00+0100"]),
    (BERLIN, "30 * * * *", "2027-10-31 00:10", ["10-31 02:30+0200", "10-31 02:30+0100", "10-31 03:30+0100"]),
    (
        BERLIN,
        "0,30 0-23 * * *",
        "2027-10-31 00:45",
        ["10-31 02:00+0100", "10-31 02:30+0100", "10-31 03:00+0100"],
    ),
    (BERLIN, "@hourly", "2027-10-31 00:00", ["10-31 02:00+0100", "10-31 03:00+0100"]),
    (BERLIN, "@daily", "2027-10-30 12:00", ["10-31 00:00+0200", "11-01 00:00+0100"]),
    (NEW_YORK, "30 2 * * *", "2027-03-13 00:00", ["03-13 02:30-0500", "03-15 02:30-0400"]),
    (NEW_YORK, "30 1 * * *", "2027-11-06 12:00", ["11-07 01:30-0400", "11-08 01:30-0500"]),
    (NEW_YORK, "30 * * * SUN", "2027-11-07 05:00", ["11-07 01:30-0400", "11-07 01:30-0500"]),
    (LORD_HOWE, "45 1 * * *", "2027-04-03 00:00", ["04-04 01:45+1100", "04-05 01:45+1030"]),
    (LORD_HOWE, "15 * * * *", "2027-04-03 14:00", ["04-04 01:15+1100", "04-04 02:15+1030"]),
    (
        LORD_HOWE,
        "45 * * * *",
        "2027-04-03 14:00",
        ["04-04 01:45+1100", "04-04 01:45+1030", "04-04 02:45+1030"],
    ),
    (LORD_HOWE, "15 2 * * *", "2027-10-01 00:00", ["10-02 02:15+1030", "10-04 02:15+1100"]),
    (LORD_HOWE, "*/15 * * * *", "2027-10-02 15:00", ["10-03 01:45+1030", "10-03 02:30+1100"]),
    (LORD_HOWE, "@every 45m", "2027-10-02 15:00", ["10-03 02:45+1100", "10-03 03:30+1100"]),
    ("UTC", "30 2 * * *", "2027-03-27 12:00", ["03-28 02:30+0000", "03-29 02:30+0000"]),
    ("Asia/Kolkata", "30 2 * * *", "2027-03-27 12:00", ["03-28 02:30+0530", "03-29 02:30+0530"]),
]


@pytest.mark.parametrize(("name", "text", "begin", "expected"), CLOCKS)
def test_times_left_out_have_no_tick_and_times_that_come_twice_have_one(
    name: str, text: str, begin: str, expected: list[str]
) -> None:
    """A schedule of every hour goes on through both passes of an hour that comes twice."""
    zone, start = time_zone(name), datetime.fromisoformat(begin).replace(tzinfo=UTC)
    found = ticks(parse_schedule(text, zone, start), start, start + 10 * DAY, len(expected))
    assert [f"{tick.astimezone(zone):%m-%d %H:%M%z}" for tick in found] == expected


def test_a_date_whose_time_is_left_out_comes_in_the_next_year() -> None:
    """In 2028 the clocks of Berlin are set on March 26."""
    schedule = parse_schedule("30 2 28 3 *", time_zone(BERLIN))
    assert schedule.next_after(datetime(2027, 3, 1, tzinfo=UTC)) == datetime(2028, 3, 28, 0, 30, tzinfo=UTC)


CHANGES = [
    (BERLIN, datetime(2027, 3, 28, 1, tzinfo=UTC)),
    (BERLIN, datetime(2027, 10, 31, 1, tzinfo=UTC)),
    (NEW_YORK, datetime(2027, 3, 14, 7, tzinfo=UTC)),
    (NEW_YORK, datetime(2027, 11, 7, 6, tzinfo=UTC)),
    (LORD_HOWE, datetime(2027, 4, 3, 15, tzinfo=UTC)),
    (LORD_HOWE, datetime(2027, 10, 2, 15, 30, tzinfo=UTC)),
    ("America/St_Johns", datetime(2027, 11, 7, 4, 30, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2027, 4, 3, 14, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # From the 29th to the 31st.
]


@settings(max_examples=60)
@given(
    change=st.sampled_from(CHANGES),
    minutes=st.sampled_from(["0", "30", "45", "*/15", "7", "0,50", "*"]),
    hours=st.sampled_from(["*", "*", "0", "1", "2", "1-3", "*/2", "0-22"]),
    before=st.integers(-30, 300),
)
def test_ticks_around_a_change_of_clocks_are_those_of_a_search(
    change: tuple[str, datetime], minutes: str, hours: str, before: int
) -> None:
    """The search reads the clock of the zone in each minute, one by one; forwards and backwards agree."""
    zone, start = ZoneInfo(change[0]), change[1] - before * MINUTE
    schedule = parse_schedule(f"{minutes} {hours} * * *", zone)
    named = parse_fields(f"{minutes} {hours} * * *").expression.split()
    expected = []
    for count in range(1, 8 * 60):
        local = (start + count * MINUTE).astimezone(zone)
        is_named = all(
            field == "*" or str(part) in field.split(",")
            for part, field in zip((local.minute, local.hour), named, strict=False)
        )
        if is_named and (hours == "*" or not local.fold):
            expected.append(start + count * MINUTE)
    until = start + 8 * HOUR - MINUTE
    assert list(ticks(schedule, start, until, 500)) == expected
    backwards, tick = [], schedule.last_until(until)
    while tick is not None and tick > start:
        backwards.append(tick)
        tick = schedule.last_until(tick - MINUTE)
    assert backwards[::-1] == expected


@pytest.mark.parametrize(
    "name", ["UTC", BERLIN, "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT", "GB-Eire"]
)
def test_a_name_of_the_database_is_a_time_zone(name: str) -> None:
    """Old names are in it, too."""
    assert time_zone(name).key == name


def test_no_name_means_utc() -> None:
    """The machine that the operator runs on has a zone of its own, which nobody should have to know."""
    assert time_zone(None).utcoffset(datetime(2027, 7, 1, tzinfo=UTC)) == timedelta(0)


@pytest.mark.parametrize(
    "name",
    [
        *("Local", "local", "localtime", "Factory", "europe/berlin", "Berlin", "CEST", "+01:00", "UTC+1"),
        *("Europe", "Europe/", "Europe/Berlin/", "Europe//Berlin", "posixrules", "zone.tab", "leapseconds"),
        *("posix/Europe/Berlin", "right/Europe/Berlin", "../UTC", "/etc/localtime", "Europe/../UTC", "./UTC"),
        *("Europe/Berlin\n", "Europe/Berlin\0", " UTC", "Ü", "A" * 65, "A" * 300),
    ],
)
def test_any_other_name_is_refused_in_a_sentence(name: str) -> None:
    """It would be part of a path, so what cannot be a name of the database is not looked up."""
    with pytest.raises(
        ValueError, match=r"^is '.*; use a name of the IANA database such as Europe/Berlin, or leave"
    ):
        time_zone(name)


def test_an_empty_name_is_refused() -> None:
    """It is a mistake more often than a wish for UTC."""
    with pytest.raises(ValueError, match=r"^is empty; use a name of the IANA database"):
        time_zone("")


def test_every_zone_of_the_database_has_a_name_that_is_accepted() -> None:
    """Except for two files that stand for the zone of the machine, or for none."""
    refused = []
    for name in zoneinfo.available_timezones():
        try:
            time_zone(name)
        except ValueError:
            refused.append(name)
    assert set(refused) <= {"Factory", "localtime"}


def test_zones_are_known_on_a_machine_that_has_no_database() -> None:
    """The operator brings its own: a base image may have none."""
    zoneinfo.reset_tzpath(to=[])
    ZoneInfo.clear_cache()
    try:
        assert time_zone(BERLIN).utcoffset(datetime(2027, 7, 1, tzinfo=UTC)) == 2 * HOUR
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()
    assert "\ntzdata==" in (REPOSITORY / "requirements" / "operator.txt").read_text()
