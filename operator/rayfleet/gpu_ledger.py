"""How many GPUs each cluster has or wants, for ceilings that clusters share."""

from collections import deque
from collections.abc import Callable, Collection

from rayfleet.scaling_view import GpuUsage
from rayfleet.snapshot import Key

MINUTE = 60.0


class GpuLedger:
    """Counts the GPUs of all clusters, as each pass over one of them notes.

    After a start it is not complete until each cluster has been looked at once.
    """

    def __init__(self, keys: Callable[[], Collection[Key]], clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock
        self._gpus: dict[Key, int] = {}
        self._added: deque[tuple[float, str, int]] = deque()
        """When, in which namespace, how many; oldest first."""

    def note(self, key: Key, gpus: int) -> None:
        """The cluster has or wants so many GPUs now."""
        before = self._gpus.get(key)
        self._gpus[key] = gpus
        if before is not None and gpus > before:
            self._added.append((self._clock(), key.namespace, gpus - before))

    def keep(self, key: Key) -> None:
        """What the cluster has is not known better than before."""
        self._gpus.setdefault(key, 0)

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._gpus.pop(key, None)

    def usage(self, key: Key) -> GpuUsage:
        """What all clusters but `key` have, and what all have added within the last minute."""
        now = self._clock()
        while self._added and now - self._added[0][0] >= MINUTE:
            self._added.popleft()
        others = [(other.namespace, gpus) for other, gpus in self._gpus.items() if other != key]
        return GpuUsage(
            namespace=sum(gpus for namespace, gpus in others if namespace == key.namespace),
            total=sum(gpus for _, gpus in others),
            new_in_namespace=sum(gpus for _, namespace, gpus in self._added if namespace == key.namespace),
            new_in_total=sum(gpus for _, _, gpus in self._added),
            complete=self._gpus.keys() >= set(self._keys()) - {key},
            renewed_in=self._added[0][0] + MINUTE - now if self._added else None,
        )
