"""What metrics show about clusters and nothing else needs, kept from one pass or scrape to the next."""

import time
from collections.abc import Callable, Iterable

from rayfleet.fleet.gpu_seconds import GpuSeconds, GpuUse, gpu_use
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.polling import Observation
from rayfleet.ray.state import RayState


class ClusterAccounts:
    """The accounts of all clusters. Losing them in a restart costs what they have counted so far."""

    def __init__(
        self,
        observation: Callable[[Key], Observation | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observation = observation
        self._clock = clock
        self._gpu_seconds = GpuSeconds(clock)

    def state(self, key: Key, uid: str) -> RayState | None:
        """Ray's state in a cluster; None if it is not known now."""
        seen = self._observation(key)
        return seen.state_at(self._clock()) if seen is not None and seen.uid == uid else None

    def gpu_seconds(self, key: Key, uid: str, pods: Iterable[Pod], state: RayState | None) -> GpuUse:
        """Record what a cluster's GPUs do from now on; return its GPU-seconds so far."""
        return self._gpu_seconds.account(key, uid, gpu_use(pods, state))

    def admitted(self, snapshot: Snapshot) -> None:
        """A pass has looked at a cluster."""
        key, uid = snapshot.cluster.key, snapshot.cluster.uid
        self.gpu_seconds(key, uid, snapshot.pods, self.state(key, uid))

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._gpu_seconds.forget(key)

    def forget_all(self) -> None:
        """Another operator leads."""
        self._gpu_seconds.forget_all()
