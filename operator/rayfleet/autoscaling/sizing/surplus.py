"""Which replicas may go at once, as nothing of Ray runs in them: what is above a lowered maximum."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from rayfleet.autoscaling.inputs import Worker
from rayfleet.autoscaling.sizing.context import SizingContext

SETTLED_SECONDS: Final = 10.0
"""A pod that runs for less may have joined since Ray was asked, and have work."""


def removable(
    replicas: Mapping[str, Sequence[Worker]], late: AbstractSet[str], context: SizingContext
) -> tuple[list[str], list[float]]:
    """Replicas none of whose pods has joined, the least likely to do so and the newest first.

    And in how many seconds it is certain of further ones.
    """
    found, looks = [], []
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
        found.append((replica not in late, not blocked, bool(started), -newest, replica))
    return [one[-1] for one in sorted(found)], looks


def _runs_since(worker: Worker) -> float:
    return worker.blocked.since if worker.blocked is not None else worker.since
