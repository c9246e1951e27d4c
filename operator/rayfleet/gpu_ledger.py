"""How many GPUs each cluster has or is about to get, for ceilings that clusters share."""

from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from rayfleet.scaling_view import GpuUsage
from rayfleet.snapshot import Key

MINUTE = 60.0


@dataclass(slots=True)
class _Added:
    """GPUs that a cluster got at one time."""

    at: float
    key: Key
    gpus: int


class GpuLedger:
    """Counts the GPUs of all clusters, as each pass over one of them notes.

    What a pass is going to create is noted before it does: asked for and noted in one go on the event loop,
    room is given away once. After a start it is not complete until each cluster that has pods has been seen.
    """

    def __init__(
        self,
        keys: Callable[[], Collection[Key]],
        clock: Callable[[], float],
        has_pods: Callable[[Key], bool] = lambda _: True,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._has_pods = has_pods
        self._gpus: dict[Key, int] = {}
        self._by_namespace = Counter[str]()
        self._total = 0
        self._added: deque[_Added] = deque()
        """Within the last minute, oldest first."""
        self._new_by_namespace = Counter[str]()

    def note(self, key: Key, there: int, coming: int = 0) -> None:
        """The cluster has so many GPUs and is about to get others. What it had when first seen is not new."""
        before = self._gpus.get(key, there)
        self._set(key, there + coming)
        if there + coming > before:
            self._added.append(_Added(self._clock(), key, 0))
            self._count_new(self._added[-1], there + coming - before)

    def give_back(self, key: Key, gpus: int) -> None:
        """So many of those that were about to come were not created after all."""
        self._set(key, max(0, self._gpus.get(key, 0) - gpus))
        for added in reversed(self._added):
            if added.key == key and gpus > 0:
                back = min(added.gpus, gpus)
                self._count_new(added, -back)
                gpus -= back

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._set(key, 0)
        del self._gpus[key]

    def forget_all(self) -> None:
        """Another operator acts: what was noted is of no use. What was added counts for its minute."""
        self._gpus.clear()
        self._by_namespace.clear()
        self._total = 0

    def usage(self, key: Key) -> GpuUsage:
        """What all clusters but `key` have, and what all have added within the last minute."""
        now = self._clock()
        while self._added and (now - self._added[0].at >= MINUTE or not self._added[0].gpus):
            self._count_new(self._added[0], -self._added[0].gpus)
            self._added.popleft()
        own = self._gpus.get(key, 0)
        unseen = set(self._keys()) - self._gpus.keys() - {key}
        return GpuUsage(
            own=own,
            namespace=self._by_namespace[key.namespace] - own,
            total=self._total - own,
            new_in_namespace=self._new_by_namespace[key.namespace],
            new_in_total=self._new_by_namespace.total(),
            complete=not any(map(self._has_pods, unseen)),
            renewed_in=self._added[0].at + MINUTE - now if self._added else None,
        )

    def _count_new(self, added: _Added, gpus: int) -> None:
        added.gpus += gpus
        _add(self._new_by_namespace, added.key.namespace, gpus)

    def _set(self, key: Key, gpus: int) -> None:
        more = gpus - self._gpus.get(key, 0)
        self._gpus[key] = gpus
        _add(self._by_namespace, key.namespace, more)
        self._total += more


def _add(counter: Counter[str], name: str, count: int) -> None:
    """Names that count nothing do not stay."""
    counter[name] += count
    if not counter[name]:
        del counter[name]
