"""Durations as Go writes them: `90s`, `1h30m`, `1.5h`."""

import re
from typing import Final

NANOSECONDS: Final = 1_000_000_000
"""In one second."""
_MICRO: Final = 1_000
_UNITS: Final = {
    "ns": 1,
    "us": _MICRO,
    "µs": _MICRO,  # MICRO SIGN
    "μs": _MICRO,  # GREEK SMALL LETTER MU
    "ms": 1_000_000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
}
_PART: Final = re.compile(
    rf"(?=\.?[0-9])(?P<whole>[0-9]*)(\.(?P<fraction>[0-9]*))?(?P<unit>{'|'.join(_UNITS)})"
)
_LONGEST: Final = 2**63 - 1
"""Nanoseconds; Go has no longer duration."""
_LONGEST_TEXT: Final = 100
"""Characters; the longest duration takes far fewer."""


def nanoseconds(text: str) -> int:
    """The duration in nanoseconds. Raises ValueError with a message for the user."""
    sign, rest = (text[0], text[1:]) if text[:1] in {"-", "+"} else ("", text)
    if rest == "0":
        return 0
    total, end = 0, 0
    if len(rest) <= _LONGEST_TEXT:
        while (part := _PART.match(rest, end)) is not None:
            unit, fraction = _UNITS[part["unit"]], part["fraction"] or "0"
            total += int(part["whole"] or 0) * unit + int(fraction) * unit // 10 ** len(fraction)
            end = part.end()
    if not rest or end < len(rest) or total > _LONGEST:
        raise ValueError("is not a duration; write one like 30m or 1h30m, with the units h, m and s")
    return -total if sign == "-" else total
