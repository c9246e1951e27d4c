"""What Ray says of each cluster, asked for again and again, and held until the next answer."""

from rayfleet.ray_polling.observation import Moment, Observation
from rayfleet.ray_polling.poller import Clockwork, Poller, Target
from rayfleet.ray_polling.schedule import STALE_SECONDS

__all__ = ["STALE_SECONDS", "Clockwork", "Moment", "Observation", "Poller", "Target"]
