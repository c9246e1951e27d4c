"""Which replicas above a lowered maximum may go at once, as Ray does not run in them."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from rayfleet.autoscaling.inputs import Worker
from rayfleet.autoscaling.sizing.context import SizingContext

SETTLED_SECONDS: Final = 10.0
"""A pod that has run for less may have joined since Ray was asked, and may have work."""


def removable(
    replicas: Mapping[str, Sequence[Worker]], late: AbstractSet[str], context: SizingContext
) -> tuple[list[str], list[float]]:
    """Replicas without a pod that has joined, the least likely to join and the newest first.

    And the seconds after which the same is certain of others.
    """
    certain, looks = [], []
    for replica, workers in replicas.items():
        if any(worker.name in context.joined or worker.requested for worker in workers):
            continue
        started = [worker for worker in workers if not worker.pending]
        if started and not context.known:
            continue
        certain_in = max(
            (_runs_since(worker) + SETTLED_SECONDS - context.now for worker in started), default=0.0
        )
        if certain_in > 0:
            looks.append(certain_in)
            continue
        blocked = any(worker.blocked and not worker.blocked.is_starting for worker in workers)
        newest = max(worker.since for worker in workers)
        certain.append((replica not in late, not blocked, bool(started), -newest, replica))
    return [entry[-1] for entry in sorted(certain)], looks


def _runs_since(worker: Worker) -> float:
    return worker.blocked.since if worker.blocked is not None else worker.since
