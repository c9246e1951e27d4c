"""The status of a RayCronJob, computed in one place from the decision and its outcomes."""

from rayfleet.kinds.raycronjob.status.cronjob import compute_status
from rayfleet.kinds.raycronjob.status.events import events_of
from rayfleet.kinds.raycronjob.status.stored import record_of

__all__ = ["compute_status", "events_of", "record_of"]
