"""Kubernetes quantities: `500m`, `1.5Gi`, `2e3`."""

import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Final

_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<binary>[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,3})|(?P<decimal>[numkMGTPE]?))",
    re.ASCII,
)
# Enough for any sum of what Kubernetes can hold (63 bits, nine places), so that no sum is rounded.
_EXACT: Final = Context(prec=400, Emin=MIN_EMIN, Emax=MAX_EMAX)
MOST_AMOUNT: Final = 10**18
"""No node has more of anything; a larger amount is not believed, as in Ray's answers."""


def parse_quantity(value: str | float | Decimal) -> Decimal:
    """The exact number that a quantity stands for, in the base unit (cores, bytes, devices).

    Raises ValueError, with a sentence, for what Kubernetes would not accept as a quantity.
    """
    match = _QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError(
            f"{value!r} is not a quantity: write a number with an optional unit, such as 2, 500m or 1.5Gi."
        )
    number = Decimal(match["number"])
    if match["binary"]:
        return _EXACT.multiply(number, 1024 ** _BINARY[match["binary"]])
    power = int(match["exponent"]) if match["exponent"] else _DECIMAL[match["decimal"] or ""]
    return _EXACT.scaleb(number, power)


def bounded_quantity(value: str | float | Decimal) -> Decimal:
    """The quantity, limited to MOST_AMOUNT, so that results can be added and written however long it is."""
    return min(max(parse_quantity(value), Decimal(-MOST_AMOUNT)), Decimal(MOST_AMOUNT))


def format_quantity(amount: Decimal, *, binary: bool = False) -> str:
    """The shortest quantity that is exactly `amount`, the way Kubernetes writes it.

    `binary` asks for Ki, Mi, Gi (memory), which are used for whole numbers of at least 1024.
    Raises ValueError for more than nine decimal places, NaN or infinity, which no quantity can express.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is not a quantity: it must be finite.")
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size == 0:
        return "0"
    if binary and size == size.to_integral_value() and size >= 1024:  # noqa: PLR2004 - 1Ki
        return sign + _whole_with_unit(int(size), _BINARY_UNITS)
    nanos = _EXACT.scaleb(size, 9)
    if nanos != nanos.to_integral_value(context=_EXACT):
        raise ValueError(f"{amount} is not a quantity: it has more than nine decimal places.")
    return sign + _whole_with_unit(int(nanos), _DECIMAL_UNITS)


_BINARY_UNITS: Final = (*((1024**power, unit) for unit, power in reversed(_BINARY.items())), (1, ""))
_DECIMAL_UNITS: Final = tuple((10 ** (power + 9), unit) for unit, power in reversed(_DECIMAL.items()))


def _whole_with_unit(count: int, units: tuple[tuple[int, str], ...]) -> str:
    return next(f"{count // size}{unit}" for size, unit in units if count % size == 0)
