"""The status of a cluster: computed in one place, from what was decided and what came of it."""

from rayfleet.kinds.raycluster.status.conditions import Condition, ConditionType, holds, rfc3339
from rayfleet.kinds.raycluster.status.events import Event, events_of
from rayfleet.kinds.raycluster.status.heard import follows_a_head, unheard
from rayfleet.kinds.raycluster.status.raycluster import compute_status, is_told, is_urgent, status_patch

__all__ = [
    "Condition",
    "ConditionType",
    "Event",
    "compute_status",
    "events_of",
    "follows_a_head",
    "holds",
    "is_told",
    "is_urgent",
    "rfc3339",
    "status_patch",
    "unheard",
]
