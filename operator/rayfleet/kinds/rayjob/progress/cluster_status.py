"""The cluster's status as its job shows it."""

from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.kinds.rayjob.snapshot import ClusterFacts


def shown(cluster: ClusterFacts) -> RayClusterStatus:
    """The cluster's status as the job shows it: without what is long or changes with its queue."""
    return cluster.status.without("autoscaler", "worker_groups", "unknown_fields", "left_out")
