"""Polls the state of Ray in each cluster, and keeps the last answer."""

from rayfleet.ray.polling.observation import Moment, Observation
from rayfleet.ray.polling.poller import PollClock, Poller, Target
from rayfleet.ray.polling.schedule import STALE_SECONDS

__all__ = ["STALE_SECONDS", "Moment", "Observation", "PollClock", "Poller", "Target"]
