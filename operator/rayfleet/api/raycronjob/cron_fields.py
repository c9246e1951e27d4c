"""The five fields of a cron expression, as Kubernetes' CronJob and KubeRay read them.

Each is a list of numbers, ranges, `*` or `?`, each with a step if need be; months and days of the week have
names, and Sunday is 0 only. What other crons read besides (seconds, `L`, `#`, Sunday as 7) is refused.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

MOST_HOURS: Final = 24
_ITEM: Final = re.compile(
    r"(?:(?P<all>[*?])|(?P<low>[0-9A-Za-z]+)(?:-(?P<high>[0-9A-Za-z]+))?)(?:/(?P<step>[0-9]+))?"
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Kind(NamedTuple):
    """What one of the fields may hold."""

    name: str
    lowest: int
    highest: int
    names: Sequence[str] = ()


_KINDS: Final = (
    _Kind("minute", 0, 59),
    _Kind("hour", 0, 23),
    _Kind("day of month", 1, 31),
    _Kind("month", 1, 12, _MONTHS),
    _Kind("day of week", 0, 6, _DAYS),
)


class _Field(Struct, frozen=True):
    values: tuple[int, ...]
    restricts: bool
    """Whether it restricts days: not if it contains `*` or `?` without a step."""

    def __str__(self) -> str:
        return ",".join(map(str, self.values)) if self.restricts else "*"


class CronFields(Struct, frozen=True):
    """The times of a cron expression."""

    expression: str
    """The same times, written with numbers, lists and `*` only. It restricts either the days of the month or
    those of the week, or if it restricts both, a day of either kind matches."""
    has_each_hour: bool
    """Whether it names every hour of the day."""


def parse_fields(text: str) -> CronFields:
    """Read a cron expression. Raises ValueError with a message for the user."""
    parts = text.split()
    if len(parts) != len(_KINDS):
        raise ValueError(
            f"has {len(parts)} of 5 fields; write minute, hour, day of month, month and day of week"
        )
    fields = [_parse_field(part, kind) for part, kind in zip(parts, _KINDS, strict=True)]
    return CronFields(" ".join(map(str, fields)), has_each_hour=len(fields[1].values) == MOST_HOURS)


def _parse_field(text: str, kind: _Kind) -> _Field:
    values, restricts = set[int](), True
    for item in filter(None, text.split(",")):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise ValueError(f"cannot be read: {item!r} is no {kind.name}; {_allowed(kind)}")
        step = int(found["step"] or 1)
        if step == 0:
            raise ValueError(f"cannot be read: the step in {item!r} is 0; {_allowed(kind)}")
        if found["all"]:
            low, high = kind.lowest, kind.highest
            restricts = restricts and step > 1
        else:
            low = _number(found["low"], kind)
            # A step after a single number leads to the end: 5/15 is 5-59/15.
            high = _number(found["high"], kind) if found["high"] else kind.highest if found["step"] else low
        if low > high:
            raise ValueError(f"cannot be read: {item!r} ends before it begins; write it as two ranges")
        values.update(range(low, high + 1, step))
    if not values:
        raise ValueError(f"cannot be read: the {kind.name} is missing; {_allowed(kind)}")
    return _Field(tuple(sorted(values)), restricts)


def _number(text: str, kind: _Kind) -> int:
    if text.isdigit():
        number = int(text)
    elif text.lower() in kind.names:
        number = kind.names.index(text.lower()) + kind.lowest
    else:
        number = -1
    if not kind.lowest <= number <= kind.highest:
        raise ValueError(f"cannot be read: {text!r} is no {kind.name}; {_allowed(kind)}")
    return number


def _allowed(kind: _Kind) -> str:
    names = f" or {kind.names[0].upper()} to {kind.names[-1].upper()}" if kind.names else ""
    return f"use {kind.lowest} to {kind.highest}{names}, lists, ranges, steps or *"
