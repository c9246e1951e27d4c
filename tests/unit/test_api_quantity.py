"""Quantities are parsed exactly, and written as Kubernetes writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfleet.api.quantity import format_quantity, parse_quantity

READ = [
    ("0", "0"),
    ("2", "2"),
    (2, "2"),
    (0.5, "0.5"),
    ("+1.5", "1.5"),
    ("-1", "-1"),
    (".5", "0.5"),
    ("5.", "5"),
    ("500m", "0.5"),
    ("1500u", "0.0015"),
    ("1n", "0.000000001"),
    ("1k", "1000"),
    ("1.5M", "1500000"),
    ("2G", "2000000000"),
    ("1T", "1000000000000"),
    ("1P", "1000000000000000"),
    ("1E", "1000000000000000000"),
    ("1Ki", "1024"),
    ("1.5Gi", "1610612736"),
    ("1Ei", "1152921504606846976"),
    ("1e3", "1000"),
    ("1E3", "1000"),
    ("12e-2", "0.12"),
]


@pytest.mark.parametrize(("text", "number"), READ)
def test_a_quantity_is_read_exactly(text: str | float, number: str) -> None:
    """That holds for every suffix, sign and form of number that Kubernetes knows."""
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "x", "NaN", "inf", "1KI", "1K", "1ki", "1.2.3", "1e", "--1", "1e1.5", "1mi", "٣", True],
)
def test_an_invalid_quantity_is_refused_in_a_sentence(text: str) -> None:
    """The sentence repeats what was written and says what to write."""
    with pytest.raises(ValueError, match=r"is not a quantity: write a number .*\.$"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("amount", "decimal", "binary"),
    [
        ("0", "0", "0"),
        ("4", "4", "4"),
        ("0.5", "500m", "500m"),
        ("1.25", "1250m", "1250m"),
        ("-2", "-2", "-2"),
        ("1000", "1k", "1k"),
        ("1024", "1024", "1Ki"),
        ("1536", "1536", "1536"),
        ("1610612736", "1610612736", "1536Mi"),
        ("4294967296", "4294967296", "4Gi"),
        ("1000000000", "1G", "1000000000"),
        ("1e-9", "1n", "1n"),
    ],
)
def test_an_amount_is_written_as_kubernetes_writes_it(amount: str, decimal: str, binary: str) -> None:
    """It has the largest suffix that loses nothing."""
    assert format_quantity(Decimal(amount)) == decimal
    assert format_quantity(Decimal(amount), binary=True) == binary


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e-10"])
def test_an_amount_that_no_quantity_can_express_is_refused(amount: str) -> None:
    """Rounding would be wrong, and NaN is not an amount."""
    with pytest.raises(ValueError, match="is not a quantity"):
        format_quantity(Decimal(amount))


@given(nanos=st.integers(min_value=-(10**30), max_value=10**30), binary=st.booleans())
def test_writing_and_reading_loses_nothing(nanos: int, *, binary: bool) -> None:
    """Whatever is written is read as the same number."""
    amount = Decimal(nanos).scaleb(-9)
    assert parse_quantity(format_quantity(amount, binary=binary)) == amount


@given(parts=st.lists(st.integers(min_value=1, max_value=2**63), max_size=20))
def test_a_sum_of_memory_is_exact(parts: list[int]) -> None:
    """Sums in status are as exact as their parts."""
    total = sum((parse_quantity(f"{part}Ki") for part in parts), Decimal(0))
    assert parse_quantity(format_quantity(total, binary=True)) == sum(parts) * 1024
