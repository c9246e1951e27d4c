"""What is known of the cluster's objects: trimmed, indexed by owner, never going back in time."""

from rayfleet.kube.cache.clusters import Glance, RootStore
from rayfleet.kube.cache.store import Store

__all__ = ["Glance", "RootStore", "Store"]
