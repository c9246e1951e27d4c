"""Amounts, shapes and selectors as a user would write them."""

from collections.abc import Sequence
from typing import Final

from rayfleet.ray_state import LabelSelector, Resources, Shape

_BYTES: Final = frozenset({"memory", "object_store_memory"})
_PLURAL: Final = {"CPU": "CPUs", "GPU": "GPUs", "TPU": "TPUs"}
_GIB: Final = 1 << 30


def number(name: str, value: float) -> str:
    """The amount without the name of the resource."""
    return f"{value / _GIB:.4g} GiB" if name in _BYTES else f"{value:.10g}"


def amount(name: str, value: float) -> str:
    """`8 GPUs`, `0.5 GPU`, `4 GiB of memory`."""
    if name in _BYTES:
        return f"{number(name, value)} of {name}"
    return f"{number(name, value)} {_PLURAL.get(name, name) if value > 1 else name}"


def resources(of: Resources) -> str:
    return " and ".join(amount(name, value) for name, value in of) or "no resources"


def shape(of: Shape) -> str:
    """`1 CPU and 1 GPU with ray.io/accelerator-type in (H100)`."""
    return resources(of.resources) + (f" with {labels(of.selectors)}" if of.selectors else "")


def labels(selectors: Sequence[LabelSelector]) -> str:
    """The alternatives, best first."""
    return ", or else ".join(
        " and ".join(
            f"{key} {'not in' if negated else 'in'} ({', '.join(values)})" for key, values, negated in one
        )
        or "any labels"
        for one in selectors
    )


def counted(number: int, noun: str) -> str:
    """`1 replica`, `3 replicas`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
