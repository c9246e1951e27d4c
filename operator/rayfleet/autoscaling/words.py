"""Amounts, shapes and selectors as a user would write them."""

from collections.abc import Sequence
from typing import Final

from rayfleet.ray.state import LabelSelector, Shape

LONGEST_NAME: Final = 63
"""Characters of a name of a resource, a label or its value: a head may say names of any length."""
MOST_NAMES: Final = 8
"""Of resources, of a label's values, of labels and of alternatives that are told of one by one."""
_BYTES: Final = frozenset({"memory", "object_store_memory"})
_PLURAL: Final = {"CPU": "CPUs", "GPU": "GPUs", "TPU": "TPUs"}
_GIB: Final = 1 << 30


def printable(words: str) -> str:
    """Without what a terminal would take for a command, and on one line."""
    if words.isprintable():
        return words
    return "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in words)


def named(name: str) -> str:
    """A name that a head has said, in so many characters at most."""
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


def resources(of: Sequence[tuple[str, float]]) -> str:
    said = [amount(name, value) for name, value in of[:MOST_NAMES]]
    return several(said, len(of), " and ") or "no resources"


def several(words: Sequence[str], count: int, joint: str = ", ", last: str = " and ") -> str:
    """`a, b and 3 more`: those of `count` that are told of one by one, and how many more there are."""
    parts = (*words, f"{count - len(words)} more") if count > len(words) else tuple(words)
    return last.join(filter(None, (joint.join(parts[:-1]), *parts[-1:])))


def shape(of: Shape) -> str:
    """`1 CPU and 1 GPU with ray.io/accelerator-type in (H100)`."""
    return resources(of.resources) + (f" with {labels(of.selectors)}" if of.selectors else "")


def labels(selectors: Sequence[LabelSelector]) -> str:
    """The alternatives, best first."""
    said = [_label_words(one) for one in selectors[:MOST_NAMES]]
    return several(said, len(selectors), ", or else ", ", or else ")


def _label_words(selector: LabelSelector) -> str:
    said = [
        f"{named(key)} {'not in' if negated else 'in'}"
        f" ({several([named(value) for value in values[:MOST_NAMES]], len(values), last=', ')})"
        for key, values, negated in selector[:MOST_NAMES]
    ]
    return several(said, len(selector), " and ") or "any labels"


def counted(number: int, noun: str) -> str:
    """`1 replica`, `3 replicas`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
