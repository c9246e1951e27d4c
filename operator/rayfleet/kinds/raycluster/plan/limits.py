"""Passes that make a plan smaller."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from msgspec.structs import replace

from rayfleet.kinds.raycluster.actions import Action, Cause, CreatePod, DeletePod, Plan

T = TypeVar("T", CreatePod, DeletePod)

MOST_CREATES = 200
"""Most pods that one pass creates: a changed spec is seen after that many, not after 10,000."""
MOST_DELETES = 50
"""Most pods that one pass deletes. Before the next pass deletes more, the cluster is read again: if
`replicas` of a thousand workers is set to 0 by mistake, most are left when it is set back."""


def limit_creates(plan: Plan, most: int = MOST_CREATES) -> Plan:
    """Keep `most` pod creates; the next pass creates the rest.

    A multi-host replica is kept whole or left for later.
    """
    pods = [a for stage in plan.stages for a in stage if isinstance(a, CreatePod)]
    if len(pods) <= most:
        return plan
    kept = _first(pods, most)
    return _with_creates(plan, lambda create: id(create) in kept)


def limit_deletes(plan: Plan, most: int = MOST_DELETES) -> Plan:
    """Keep `most` deletes; the next pass deletes the rest.

    Until then, remaining pods are not replaced, and no size is written that does not count them.
    """
    if len(plan.deletes) <= most:
        return plan
    kept = _first(plan.deletes, most)
    still = {d.group for d in plan.deletes if id(d) not in kept and d.cause is not Cause.ENDED}
    deletes = tuple(delete for delete in plan.deletes if id(delete) in kept)
    limited = replace(plan, deletes=deletes, resize=None)
    return _with_creates(limited, lambda create: create.group not in still)


def _first(actions: Sequence[T], most: int) -> set[int]:
    """The ids of the first `most`; a multi-host replica is kept whole or left for later."""
    left, kept = most, set()
    for _, unit in groupby(actions, key=lambda action: (action.group, action.replica or action.name)):
        together = list(unit)
        # A replica larger than the limit is taken only as the first unit of a pass.
        if len(together) <= left or (together[0].replica and left == most):
            left -= len(together)
            kept |= {id(action) for action in together}
    return kept


def _with_creates(plan: Plan, keep: Callable[[CreatePod], bool]) -> Plan:
    stages: Iterable[tuple[Action, ...]] = (
        tuple(a for a in stage if not isinstance(a, CreatePod) or keep(a)) for stage in plan.stages
    )
    return replace(plan, stages=tuple(stage for stage in stages if stage))
