"""What Ray says of each cluster, asked for again and again, and held until the next answer."""

from rayfleet.ray_polling.observation import Moment, Observation
from rayfleet.ray_polling.poller import Clockwork, Poller, Target

__all__ = ["Clockwork", "Moment", "Observation", "Poller", "Target"]
