"""From the caches to a snapshot: reading, and no choices."""

from dataclasses import dataclass

from rayfleet.cache import ClusterStore, Store
from rayfleet.memory import ClusterMemory
from rayfleet.plan.validity import judge
from rayfleet.snapshot import Key, Pod, Service, Snapshot


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
        pods = (
            pod for pod in self.pods.owned_by(key) if pod.owner is not None and pod.owner.uid == cluster.uid
        )
        services = (
            service
            for service in self.services.owned_by(key)
            if service.owner is not None and service.owner.uid == cluster.uid
        )
        judgement = judge(cluster, memory.last_valid, memory.proven, memory.refused)
        return Snapshot(
            cluster=cluster,
            spec=judgement.spec,
            violations=judgement.violations,
            pods=tuple(sorted(pods, key=lambda pod: (pod.created, pod.name))),
            services=tuple(services),
            now=now,
            refused=dict(memory.refused),
            held=memory.held,
            other_operator=other_operator,
        )
