"""The parts of a status that a head's answers can change: the queue, the sizes, and their consequences.

The rest follows from the spec and from pods, and is reported no matter how much a head changes.
"""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus, recorded

_FIELDS: Final = (
    *("desired_worker_replicas", "desired_cpu", "desired_memory", "desired_gpu", "desired_tpu"),
    *("autoscaler", "left_out", "last_update_time"),
)
_OF_A_GROUP: Final = ("desired", "reason", "message", "since")
"""Fields of a group; whether its pods cannot be created shows only if a head asks for pods."""
_CONDITIONS: Final = frozenset({ConditionType.AUTOSCALING, ConditionType.READY})
_OF_WORKERS: Final = frozenset({"FailedCreateWorkerPod", "FailedDeleteWorkerPod"})
"""Failures that show only if a head asks for pods."""


def unheard(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Both statuses without those parts, if either mentions a queue."""
    if not (recorded(before).autoscaler or recorded(after).autoscaler):
        return before, after
    return without_heard(before), without_heard(after)


def without_heard(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """One status without those parts."""
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
