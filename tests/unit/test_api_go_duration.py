"""Durations are read as Go reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfleet.api.go_duration import NANOSECONDS, nanoseconds

READ = [
    ("0", 0),
    ("0s", 0),
    ("90s", 90),
    ("1h30m", 5400),
    ("30m1h", 5400),
    ("1.5h", 5400),
    (".5m", 30),
    ("1.m", 60),
    ("+5m", 300),
    ("-5m", -300),
    ("1500ms", 1.5),
    ("250us", 0.00025),
    ("250µs", 0.00025),
    ("250μs", 0.00025),
    ("3ns", 0.000000003),
    ("2562047h47m16.854775807s", 9223372036.854775807),
]


@pytest.mark.parametrize(("text", "seconds"), READ)
def test_a_duration_is_read_with_every_unit_sign_and_fraction(text: str, seconds: float) -> None:
    """Parts may come in any order."""
    assert nanoseconds(text) == pytest.approx(seconds * NANOSECONDS, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "5",
        "1d",
        "1h ",
        " 1h",
        "h",
        ".s",
        "1.2.3s",
        "--1s",
        "1h-5m",
        "1e3s",
        "٣s",
        "2562048h",
        "9" * 99 + "s",
    ],
)
def test_what_is_no_duration_is_refused_in_a_sentence(text: str) -> None:
    """The sentence says what to write."""
    with pytest.raises(ValueError, match="is not a duration; write one like 30m"):
        nanoseconds(text)


def test_a_long_text_is_refused_unread() -> None:
    """A tenant may write a megabyte."""
    with pytest.raises(ValueError, match="is not a duration"):
        nanoseconds("1h" * 500_000)


@given(st.integers(0, 2_562_046), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    """That is how people write them."""
    assert (
        nanoseconds(f"{hours}h{minutes}m{seconds}s") == (hours * 3600 + minutes * 60 + seconds) * NANOSECONDS
    )
