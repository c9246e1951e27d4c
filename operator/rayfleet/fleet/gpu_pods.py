"""GPUs counted from cached pods alone: without a spec, and without a pass."""

from msgspec import Struct

from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod


class GpuPods(Struct, frozen=True):
    """Counts GPUs in the caches."""

    clusters: RootStore
    pods: Store[Pod]

    def of_cluster(self, key: Key) -> int:
        """GPUs of the cluster that has this name now."""
        return sum([pod.gpus for pod in self._holding(key) if self._has_cluster(key, pod)])

    def left(self, key: Key) -> int:
        """GPUs left by deleted clusters of this name or, for an empty name, of running pods without an owner.

        A pod that no cluster controls and that is not on a node holds nothing, whoever created it.
        """
        return sum(
            [
                pod.gpus
                for pod in self._holding(key)
                if (pod.template_hash and pod.node_name if not key.kind else not self._has_cluster(key, pod))
            ]
        )

    def _holding(self, key: Key) -> list[Pod]:
        return [pod for pod in self.pods.owned_by(key) if pod.gpus and pod.holds_devices]

    def _has_cluster(self, key: Key, pod: Pod) -> bool:
        return pod.owner is not None and self.clusters.known(key, pod.owner.uid) is not None
