"""Specs as large and as odd as an API server takes them."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from support.builders import group, spec, template
from support.faults.random_specs import RandomSpecs

MOST_GROUPS: Final = 100
_FAT: Final = 4_000
"""Bytes in the template of each group: 400 KiB in all."""


def many_groups(
    count: int = MOST_GROUPS, fat: int = _FAT, replicas: int = 0, **fields: Any
) -> dict[str, Any]:
    """So many groups, each with as much in its template."""
    return spec(*(group(f"g{n}", replicas, template=_fat(fat)) for n in range(count)), **fields)


def _fat(size: int) -> dict[str, Any]:
    made = template(gpu="1")
    made["spec"]["containers"][0]["env"] = [{"name": f"V{n}", "value": "v" * 80} for n in range(size // 110)]
    return made


def _odd_params(rng: random.Random) -> dict[str, Any]:
    """Each group has start parameters of its own, and so has the head."""
    specs = RandomSpecs(rng)
    groups = [group(f"g{n}", 0, rayStartParams=specs.start_params()) for n in range(MOST_GROUPS)]
    head = {"template": template(), "rayStartParams": specs.start_params()}
    return spec(*groups, headGroupSpec=head)


def _gated_and_suspended(_: random.Random) -> dict[str, Any]:
    """No group may have a pod, each for a reason of its own."""
    gates = [{"name": f"example.com/quota-{n}"} for n in range(50)]
    kinds: tuple[dict[str, Any], ...] = ({"scaleStrategy": {"scaleGate": gates}}, {"suspend": True})
    return spec(*(group(f"g{n}", 3, **kinds[n % 2]) for n in range(MOST_GROUPS)))


SPECS: Final[Mapping[str, Callable[[random.Random], dict[str, Any]]]] = {
    "fat-groups": lambda _: many_groups(),
    "fat-queue": lambda _: many_groups(enableInTreeAutoscaling=True),
    "one-group-too-many": lambda _: many_groups(MOST_GROUPS + 1, fat=0),
    "odd-start-params": _odd_params,
    "no-group-may-grow": _gated_and_suspended,
    "many-pods": lambda _: many_groups(40, replicas=1),
}
