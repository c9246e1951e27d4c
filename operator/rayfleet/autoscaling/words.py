"""Amounts, shapes and selectors as a user would write them."""

from collections.abc import Sequence
from typing import Final

from rayfleet.ray.state import LabelSelector, Shape

LONGEST_NAME: Final = 63
"""Characters of the name of a resource, a label or its value: a head may send names of any length."""
MOST_NAMES: Final = 8
"""Resources, values of a label, labels or alternatives that are listed one by one."""
_BYTES: Final = frozenset({"memory", "object_store_memory"})
_PLURAL: Final = {"CPU": "CPUs", "GPU": "GPUs", "TPU": "TPUs"}
_GIB: Final = 1 << 30
_COUNT_OF_REST: Final = len("… and 1000000 more characters")


def printable(text: str) -> str:
    """The text on one line, without what a terminal would take for a command."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def cut(words: str, longest: int) -> str:
    """`words` without control characters, at most `longest` characters, with a count of the rest."""
    words = printable(words)
    if len(words) <= longest:
        return words
    kept = longest - _COUNT_OF_REST if longest > 2 * _COUNT_OF_REST else longest - 1
    more = f" and {len(words) - kept} more characters" if kept < longest - 1 else ""
    return f"{words[:kept]}…{more}"


def named(name: str) -> str:
    """A name from a head, cut to LONGEST_NAME characters."""
    name = printable(name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def number(name: str, value: float) -> str:
    """The amount without the name of the resource."""
    return f"{value / _GIB:.4g} GiB" if name in _BYTES else f"{value:.10g}"


def amount(name: str, value: float) -> str:
    """`8 GPUs`, `0.5 GPU`, `4 GiB of memory`."""
    if name in _BYTES:
        return f"{number(name, value)} of {name}"
    return (
        f"{number(name, value)} {_PLURAL.get(name, named(name)) if value > 1 or not value else named(name)}"
    )


def resources(amounts: Sequence[tuple[str, float]]) -> str:
    listed = [amount(name, value) for name, value in amounts[:MOST_NAMES]]
    return several(listed, len(amounts), " and ") or "no resources"


def several(listed: Sequence[str], count: int, joint: str = ", ", last: str = " and ") -> str:
    """`a, b and 3 more`: those of `count` that are listed one by one, and how many more there are."""
    parts = (*listed, f"{count - len(listed)} more") if count > len(listed) else tuple(listed)
    return last.join(filter(None, (joint.join(parts[:-1]), *parts[-1:])))


def shape(given: Shape) -> str:
    """`1 CPU and 1 GPU with ray.io/accelerator-type in (H100)`."""
    return resources(given.resources) + (f" with {labels(given.selectors)}" if given.selectors else "")


def labels(selectors: Sequence[LabelSelector]) -> str:
    """The alternatives, best first."""
    listed = [_conditions(selector) for selector in selectors[:MOST_NAMES]]
    return several(listed, len(selectors), ", or else ", ", or else ")


def _conditions(selector: LabelSelector) -> str:
    listed = [
        f"{named(key)} {'not in' if negated else 'in'}"
        f" ({several([named(value) for value in values[:MOST_NAMES]], len(values), last=', ')})"
        for key, values, negated in selector[:MOST_NAMES]
    ]
    return several(listed, len(selector), " and ") or "any labels"


def counted(number: int, noun: str) -> str:
    """`1 replica`, `3 replicas`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
