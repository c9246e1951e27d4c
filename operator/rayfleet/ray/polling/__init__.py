"""Polls the state of Ray in each cluster, and keeps the last answer."""

from rayfleet.ray.polling.observation import Moment, Observation
from rayfleet.ray.polling.poller import Clockwork, Poller, Target
from rayfleet.ray.polling.schedule import STALE_SECONDS

__all__ = ["STALE_SECONDS", "Clockwork", "Moment", "Observation", "Poller", "Target"]
