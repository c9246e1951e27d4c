"""How many GPUs each cluster has or is about to get, for ceilings shared by clusters."""

from collections import Counter, deque
from collections.abc import Callable, Collection

from msgspec import Struct

from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.kube.objects.keys import Key

MINUTE = 60.0


class _Added(Struct):
    """GPUs that a cluster gained at one time."""

    at: float
    key: Key
    gpus: int


class _Noted(Struct):
    """The GPUs of one cluster, as recorded by the last pass over it."""

    there: int
    coming: int = 0
    lost: tuple[tuple[float, int], ...] = ()
    """Each drop within the last minute: when, and how many there were before; in falling order."""

    def most(self, now: float) -> int:
        """GPUs recorded, or there within the last minute if that was more: replacements are not new."""
        if self.lost:
            self.lost = tuple(lost for lost in self.lost if now - lost[0] < MINUTE)
        return max(self.there + self.coming, self.lost[0][1] if self.lost else 0)


class GpuLedger:
    """Counts the GPUs of all clusters, as recorded by each pass.

    - A pass records what it is going to create before it does. As it asks for room and records in one step of
      the event loop, room is never given to two clusters.
    - After a start the count is incomplete until each cluster with pods has had a pass. A cluster over which
      no pass is made counts by its pods alone (`without_pass`), as does one whose passes fail (`by_pods`).
    - What deleted clusters have `left` counts as long as it exists.
    """

    def __init__(
        self,
        keys: Callable[[], Collection[Key]],
        clock: Callable[[], float],
        has_pods: Callable[[Key], bool] = lambda _: True,
        without_pass: Callable[[Key], int | None] = lambda _: None,
        *,
        by_pods: Callable[[Key], int] = lambda _: 0,
        left: Callable[[Key], int] = lambda _: 0,
        owners: Callable[[], Collection[Key]] = tuple,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._has_pods = has_pods
        self._without_pass = without_pass
        self._by_pods = by_pods
        self._left = left
        self._owners = owners
        self._with_left: set[Key] = set()
        """Clusters for which pods of an earlier cluster of the same name are still there."""
        self._noted: dict[Key, _Noted] = {}
        self._by_pods_alone: set[Key] = set()
        self._by_namespace = Counter[str]()
        self._total = 0
        self._added: deque[_Added] = deque()
        """GPUs added within the last minute, oldest first."""
        self._new_by_namespace = Counter[str]()

    def note(self, key: Key, there: int, coming: int = 0) -> None:
        """Record the GPUs that a cluster has and is about to get. What it had when first seen is not new."""
        if key in self._by_pods_alone:
            self.forget(key)
        noted = self._noted.get(key)
        if noted is None:
            noted = self._noted[key] = _Noted(there)
            self._count(key, there)
        self._set(key, noted, there, coming)
        if self._left(key):
            self._with_left.add(key)

    def begin(self, key: Key) -> None:
        """A pass begins, and may fail: until a pass has recorded the cluster, it counts by its pods."""
        if key not in self._noted or key in self._by_pods_alone:
            self._note_pods(key, self._by_pods(key))

    def fail(self, key: Key) -> None:
        """A pass has failed: what was recorded before may never be corrected, so count the pods."""
        self._note_pods(key, self._by_pods(key))

    def _note_pods(self, key: Key, gpus: int) -> None:
        self.forget(key)
        self.note(key, gpus)
        self._by_pods_alone.add(key)

    def give_back(self, key: Key, gpus: int) -> None:
        """Return `gpus` that were recorded as coming but were not created after all."""
        noted = self._noted.get(key)
        if noted is not None:
            self._set(key, noted, noted.there, max(0, noted.coming - gpus))

    def forget(self, key: Key) -> None:
        """Drop a cluster that is gone. The pods that it left are counted separately."""
        self._by_pods_alone.discard(key)
        self._with_left.discard(key)
        noted = self._noted.pop(key, None)
        if noted is not None:
            self._count(key, -noted.there - noted.coming)

    def forget_all(self) -> None:
        """Drop all records, as another operator acts. What was added still counts for its minute."""
        self._noted.clear()
        self._by_pods_alone.clear()
        self._with_left.clear()
        self._by_namespace.clear()
        self._total = 0

    def usage(self, key: Key) -> GpuUsage:
        """What all clusters but `key` have, and what all clusters added within the last minute."""
        now = self._clock()
        self._drop_old(now)
        keys = set(self._keys())
        left_beside, left = self._count_left(keys, key.namespace)
        unseen_beside, unseen_elsewhere = self._unseen(keys, key)
        noted = self._noted.get(key)
        own = noted.there + noted.coming if noted is not None else 0
        return GpuUsage(
            own=noted.most(now) if noted is not None else 0,
            namespace=self._by_namespace[key.namespace] - own + left_beside,
            total=self._total - own + left,
            new_in_namespace=self._new_by_namespace[key.namespace],
            new_in_total=self._new_by_namespace.total(),
            complete=not unseen_beside and not unseen_elsewhere,
            complete_in_namespace=not unseen_beside,
            renewed_in=self._added[0].at + MINUTE - now if self._added else None,
        )

    def _drop_old(self, now: float) -> None:
        """Drop what was added more than a minute ago."""
        while self._added and (now - self._added[0].at >= MINUTE or not self._added[0].gpus):
            self._count_new(self._added[0], -self._added[0].gpus)
            self._added.popleft()

    def _count_left(self, keys: Collection[Key], namespace: str) -> tuple[int, int]:
        """GPUs of pods of deleted clusters, in `namespace` and in total."""
        gone = set(self._owners()) - set(keys)
        for key in gone & self._noted.keys():
            self.forget(key)
        beside = total = 0
        for key in gone | self._with_left:
            gpus = self._left(key)
            total += gpus
            beside += gpus if key.namespace == namespace else 0
            if not gpus:
                self._with_left.discard(key)
        return beside, total

    def _unseen(self, keys: Collection[Key], than: Key) -> tuple[bool, bool]:
        """Whether other clusters with pods are not counted yet, in the namespace of `than` and elsewhere."""
        beside = elsewhere = False
        for key in set(keys) - self._noted.keys() - {than}:
            is_beside = key.namespace == than.namespace
            if (beside if is_beside else elsewhere) or not self._has_pods(key):
                continue
            gpus = self._without_pass(key)
            if gpus is not None:
                self._note_pods(key, gpus)
            elif is_beside:
                beside = True
            else:
                elsewhere = True
        return beside, elsewhere

    def _set(self, key: Key, noted: _Noted, there: int, coming: int) -> None:
        now = self._clock()
        self._drop_old(now)
        before = noted.most(now)
        if there < noted.there:
            # An earlier drop from no more GPUs than this one adds nothing.
            more = tuple(lost for lost in noted.lost if lost[1] > noted.there)
            noted.lost = (*more, (now, noted.there))
        self._count(key, there + coming - noted.there - noted.coming)
        noted.there, noted.coming = there, coming
        new = noted.most(now) - before
        if new > 0:
            self._added.append(_Added(now, key, 0))
            self._count_new(self._added[-1], new)
        elif new < 0:
            self._take_back(key, -new)

    def _take_back(self, key: Key, gpus: int) -> None:
        """Take back `gpus` that were counted as new and never came."""
        for added in reversed(self._added):
            if added.key == key and gpus > 0:
                back = min(added.gpus, gpus)
                self._count_new(added, -back)
                gpus -= back

    def _count_new(self, added: _Added, gpus: int) -> None:
        added.gpus += gpus
        _add(self._new_by_namespace, added.key.namespace, gpus)

    def _count(self, key: Key, more: int) -> None:
        _add(self._by_namespace, key.namespace, more)
        self._total += more


def _add(counter: Counter[str], name: str, count: int) -> None:
    """Add to a count, and remove it if it becomes 0."""
    counter[name] += count
    if not counter[name]:
        del counter[name]
