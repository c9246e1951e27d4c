"""Leader election on a Lease: of all running operators one writes, the others keep their caches warm."""

from rayfleet.election.elector import LeaderElector
from rayfleet.election.lease import LEASE_NAME, Timing

__all__ = ["LEASE_NAME", "LeaderElector", "Timing"]
