"""What of a status a head's answers can change: the queue, the sizes that follow it, and what comes of them.

All else follows from the spec and from pods. It is told without regard to how much a head has to say.
"""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus, recorded

_FIELDS: Final = (
    *("desired_worker_replicas", "desired_cpu", "desired_memory", "desired_gpu", "desired_tpu"),
    *("autoscaler", "left_out", "last_update_time"),
)
_OF_A_GROUP: Final = ("desired", "reason", "message", "since")
"""Whether pods of it cannot be created shows where a head asks for pods."""
_CONDITIONS: Final = frozenset({ConditionType.AUTOSCALING, ConditionType.READY})
_OF_WORKERS: Final = frozenset({"FailedCreateWorkerPod", "FailedDeleteWorkerPod"})
"""Whether such a failure shows depends on whether a head asks for pods."""


def unheard(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What is left of two statuses without that, where either says anything of a queue."""
    if not (recorded(before).autoscaler or recorded(after).autoscaler):
        return before, after
    return without_heard(before), without_heard(after)


def without_heard(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is left of one."""
    whole = recorded(status)
    conditions = [
        entry.without("last_transition_time")
        for entry in whole.conditions
        if entry.type not in _CONDITIONS and entry.reason not in _OF_WORKERS
    ]
    kept = RayClusterStatus(
        conditions=tuple(sorted(conditions, key=lambda entry: entry.type)),
        worker_groups=tuple(group.without(*_OF_A_GROUP) for group in whole.worker_groups),
    )
    return (whole.without(*_FIELDS) | kept).wire
