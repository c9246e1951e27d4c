"""The status of a cluster, computed in one place from the decision and its outcomes."""

from rayfleet.engine.conditions import Condition, rfc3339
from rayfleet.kinds.raycluster.status.events import events_of
from rayfleet.kinds.raycluster.status.heard import unheard
from rayfleet.kinds.raycluster.status.raycluster import compute_status, is_urgent

__all__ = [
    "Condition",
    "compute_status",
    "events_of",
    "is_urgent",
    "rfc3339",
    "unheard",
]
