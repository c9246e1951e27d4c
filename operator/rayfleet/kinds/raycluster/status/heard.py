"""What of a status a head's answers can change: the queue, the sizes that follow it, and what comes of them.

All else follows from the spec and from pods. It is told without regard to how much a head has to say.
"""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.kinds.raycluster.status.conditions import ConditionType, stored_conditions

_SIZES: Final = ("desiredWorkerReplicas", "desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU")
_FIELDS: Final = frozenset({"autoscaler", "leftOut", "lastUpdateTime", *_SIZES})
_CONDITIONS: Final = frozenset({ConditionType.AUTOSCALING, ConditionType.READY})
_OF_WORKERS: Final = frozenset({"FailedCreateWorkerPod", "FailedDeleteWorkerPod"})
"""Whether such a failure shows depends on whether a head asks for pods."""


def unheard(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What is left of two statuses without that, where either says anything of a queue."""
    if "autoscaler" not in before and "autoscaler" not in after:
        return before, after
    return without_heard(before), without_heard(after)


def without_heard(status: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of one."""
    kept = {name: value for name, value in status.items() if name not in _FIELDS}
    conditions = [
        {name: value for name, value in entry.items() if name != "lastTransitionTime"}
        for entry in stored_conditions(status)
        if entry.get("type") not in _CONDITIONS and entry.get("reason") not in _OF_WORKERS
    ]
    kept["conditions"] = sorted(conditions, key=lambda entry: str(entry.get("type")))
    groups = kept.get("workerGroups")
    kept["workerGroups"] = [
        {name: value for name, value in entry.items() if name != "desired"}
        for entry in (groups if isinstance(groups, list) else ())
        if isinstance(entry, Mapping)
    ]
    return kept
