"""Whether this operator acts on a cluster."""

from enum import Enum, auto

from rayfleet.api.names import ManagedBy
from rayfleet.kube.objects.roots import Root


class Ownership(Enum):
    """Who acts on a cluster."""

    OURS = auto()
    YIELDED = auto()
    """Ours by its spec, but another operator of this API is alive and may act on it, too."""
    OTHERS = auto()
    """Its spec names another controller. We write nothing, not even a condition."""


def ownership(cluster: Root, other_operator: str | None) -> Ownership:
    """Who acts on `cluster`, given another operator's live Lease, if any."""
    managed_by = cluster.spec.get("managedBy")
    if managed_by == ManagedBy.RAYFLEET:
        return Ownership.OURS
    if managed_by not in {None, "", ManagedBy.KUBERAY}:
        return Ownership.OTHERS
    return Ownership.OURS if other_operator is None else Ownership.YIELDED
