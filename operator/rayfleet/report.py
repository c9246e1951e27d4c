"""What users are told of a pass: the status and the events. It never goes before what makes pods."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rayfleet.api.names import PLURAL
from rayfleet.apply import EventRecorder, Executor, FairGate, paths
from rayfleet.cache import ClusterStore
from rayfleet.clients.kube import KubeClient
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.memory import ClusterMemory
from rayfleet.plan import Outcome, Ownership, Plan, ownership
from rayfleet.snapshot import Snapshot
from rayfleet.status import compute_status, events_of, is_told, is_urgent, status_patch

STATUS_DELAY = 1.0
"""Seconds that a change of mere counts may wait for others to join it in one write."""
STATUS_PACE = 10.0
"""Seconds between such a write and the status write before it, while counts go on changing."""
STATUS_LATEST = 10.0
"""Seconds that such a change waits at most beyond that, however much else there is to write."""
FIRST_STATUS_RATE = 25.0
STATUS_RATE = 10.0
"""Such writes a second, of all clusters together, first ones and later ones: of a fleet that comes up at
once the counts on the way are told coarsely, as its clusters' being ready is about to be told."""


class Reporter:
    """Writes statuses and events, in what the writes of all clusters leave free."""

    def __init__(
        self,
        client: KubeClient,
        clusters: ClusterStore,
        gate: FairGate,
        executor: Executor,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._clusters = clusters
        self._gate = gate
        self._executor = executor
        self._recorder = recorder
        self._first_statuses = _Slots(FIRST_STATUS_RATE)
        self._later_statuses = _Slots(STATUS_RATE)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a cluster that is gone."""
        self._recorder.forget(uid)

    async def report(
        self,
        snapshot: Snapshot,
        decided: Plan,
        outcomes: Sequence[Outcome],
        memory: ClusterMemory,
        observe: Callable[[], Snapshot | None],
    ) -> ApiFailure | None:
        """Write the status if it has to be, and post the events; why the status could not be written.

        `snapshot` is of after the pass, and `observe` gives the one of the moment at which it is written.
        """
        cluster, before = snapshot.cluster, snapshot.cluster.status
        after = compute_status(snapshot, decided, outcomes)
        failure = None
        if not status_patch(before, after):
            memory.status_changed = None
        elif is_urgent(before, after) or not self._put_off(memory, self._slots(before)):
            async with self._gate.turn(cluster.key, yields=True) as waited:
                if waited:
                    snapshot = _brought_up_to_date(snapshot, observe())
                    after = compute_status(snapshot, decided, outcomes)
                failure = await self._write(snapshot, status_patch(before, after), memory)
        if ownership(cluster, snapshot.other_operator) is Ownership.OURS and not cluster.deleting:
            told = before if failure is not None else after
            events = events_of(outcomes, snapshot.violations, before, told, decided)
            await self._recorder.post(cluster, events, snapshot.now)
        return failure

    async def _write(
        self, snapshot: Snapshot, patch: dict[str, object], memory: ClusterMemory
    ) -> ApiFailure | None:
        cluster = snapshot.cluster
        memory.status_changed = None
        if not patch:
            return None
        failure = await self._executor.patch_status(cluster, patch)
        if failure is None:
            memory.status_written = asyncio.get_running_loop().time()
        elif is_gone(failure, PLURAL, cluster.key.name):
            return None
        elif policy(failure) is Policy.CONFLICT:
            live = await self._client.get(paths.cluster(cluster.key))
            if not isinstance(live, ApiFailure):
                self._clusters.apply(live)
        return failure

    def _slots(self, before: Mapping[str, Any]) -> "_Slots":
        return self._later_statuses if is_told(before) else self._first_statuses

    def _put_off(self, memory: ClusterMemory, slots: "_Slots") -> bool:
        """Whether a change that is not urgent is left for `memory.status_due`."""
        clock = asyncio.get_running_loop().time()
        if memory.status_changed is None:
            memory.status_changed = clock
            memory.status_due = slots.next(
                clock, max(clock + STATUS_DELAY, memory.status_written + STATUS_PACE)
            )
        elif self._gate.crowded and clock >= memory.status_due:
            latest = memory.status_changed + STATUS_LATEST
            memory.status_due = max(memory.status_due, min(slots.next(clock, clock + STATUS_DELAY), latest))
        return clock < memory.status_due


class _Slots:
    """Times for writes of one kind, so many a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = float("-inf")

    def next(self, clock: float, earliest: float) -> float:
        """The time of the next such write, at most STATUS_LATEST after `earliest`."""
        slot = max(earliest, self._next)
        self._next = max(clock, self._next) + 1 / self._rate
        return min(slot, earliest + STATUS_LATEST)


def _brought_up_to_date(snapshot: Snapshot, later: Snapshot | None) -> Snapshot:
    """With its children as they are by now, unless its own object says something else by now."""
    if later is None:
        return snapshot
    old, new = snapshot.cluster, later.cluster
    if (old.uid, old.generation, old.deleting, old.status) != (
        new.uid,
        new.generation,
        new.deleting,
        new.status,
    ):
        return snapshot
    return replace(snapshot, cluster=new, pods=later.pods, services=later.services)
