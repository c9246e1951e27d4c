"""From the caches to a snapshot: reading, and no choices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from rayfleet.cache import ClusterStore, Store
from rayfleet.memory import ClusterMemory
from rayfleet.plan.validity import judge
from rayfleet.snapshot import Cluster, Key, Pod, Service, Snapshot

T = TypeVar("T", Pod, Service)


@dataclass(frozen=True, slots=True)
class View:
    """The caches that a cluster is observed in."""

    clusters: ClusterStore
    pods: Store[Pod]
    services: Store[Service]

    def snapshot(
        self, key: Key, memory: ClusterMemory, other_operator: str | None, now: float
    ) -> Snapshot | None:
        """Everything known of a cluster; none when there is no such cluster (any more)."""
        cluster = self.clusters.get(key)
        if cluster is None:
            return None
        pods = {pod.uid: pod for pod in _owned(self.pods, cluster)}
        if memory.stray_head is not None:
            pods.setdefault(memory.stray_head.uid, memory.stray_head)
        judgement = judge(cluster, memory.last_valid, memory.proven, memory.refused)
        return Snapshot(
            cluster=cluster,
            spec=judgement.spec,
            violations=judgement.violations,
            pods=tuple(sorted(pods.values(), key=lambda pod: (pod.created, pod.name))),
            services=tuple(_owned(self.services, cluster)),
            now=now,
            refused=dict(memory.refused),
            held=memory.held,
            other_operator=other_operator,
        )


def _owned(store: Store[T], cluster: Cluster) -> Iterator[T]:
    """The children of this very cluster, not of one that had its name before."""
    for child in store.owned_by(cluster.key):
        if child.owner is not None and child.owner.uid == cluster.uid:
            yield child
