"""What is known of the cluster's objects: trimmed, indexed by owner, never going back in time."""

from rayfleet.kube.cache.clusters import ClusterStore, Glance
from rayfleet.kube.cache.store import Store

__all__ = ["ClusterStore", "Glance", "Store"]
