"""Rules about `rayStartParams`: what could never start a Ray node.

A value may be a shell expression (`$NUM_CPUS`), which only the container can judge; such values pass.
"""

import math
from typing import Final

from rayfleet.api.rules.subject import HEAD_PATH, Findings, Subject
from rayfleet.api.violation import Violation

_AMOUNTS: Final = ("num-cpus", "num-gpus", "memory", "object-store-memory")
_HIGHEST_PORT: Final = 65535


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def amounts_are_finite(subject: Subject) -> Findings:
    """NaN, infinite and negative amounts are numbers to a parser and nonsense to a scheduler."""
    for group in subject.groups:
        for name in _AMOUNTS:
            amount = _number(group.spec.ray_start_params.get(name, ""))
            if amount is not None and not (math.isfinite(amount) and amount >= 0):
                yield Violation(
                    f"{group.path}.rayStartParams[{name}]",
                    f"must be a number of at least 0, but is {amount}.",
                )


def gcs_port_is_a_port(subject: Subject) -> Findings:
    """Workers and the head Service follow the head's port."""
    port = _number(subject.spec.head_group_spec.ray_start_params.get("port", ""))
    if port is not None and not (port.is_integer() and 1 <= port <= _HIGHEST_PORT):
        yield Violation(
            f"{HEAD_PATH}.rayStartParams.port", f"must be a port from 1 to {_HIGHEST_PORT}, but is {port:g}."
        )
