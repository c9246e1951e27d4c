"""The status and the events of a job."""

from rayfleet.kinds.rayjob.status.events import events_of
from rayfleet.kinds.rayjob.status.status import compute_status, is_urgent, unheard

__all__ = ["compute_status", "events_of", "is_urgent", "unheard"]
