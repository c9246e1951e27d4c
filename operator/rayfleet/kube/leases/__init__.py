"""Leader election on a Lease: one of the running operators writes, the others keep their caches warm."""

from rayfleet.kube.leases.elector import LeaderElector
from rayfleet.kube.leases.lease import LEASE_NAME, Timing

__all__ = ["LEASE_NAME", "LeaderElector", "Timing"]
