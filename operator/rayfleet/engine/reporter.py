"""What users are told of a pass: the status and the events. It never goes before what makes pods."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rayfleet.api.names import PLURAL
from rayfleet.engine.events import EventRecorder, loop_time
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.memory import ClusterMemory
from rayfleet.engine.pacing import Topic
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kinds.raycluster.ownership import ownership
from rayfleet.kinds.raycluster.plan import Outcome, Ownership, Plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status import (
    Event,
    compute_status,
    events_of,
    follows_a_head,
    is_told,
    is_urgent,
    status_patch,
    unheard,
)
from rayfleet.kube.cache import ClusterStore
from rayfleet.kube.client import paths
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.roots import Cluster

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

DEFECT = Event(
    "Warning",
    "ReconcileFailed",
    "Reconcile",
    "The operator failed on this cluster by an error of its own and leaves its pods as they are. It tries"
    " again, at least once a minute: undo the last change of the spec, and report this with the operator's"
    " log.",
)


class Reporter:
    """Writes statuses and events, in what the writes of all clusters leave free."""

    def __init__(
        self,
        client: KubeClient,
        clusters: ClusterStore,
        gate: FairGate,
        executor: Executor,
        recorder: EventRecorder,
        clock: Callable[[], float] = loop_time,
    ) -> None:
        self._client = client
        self._clusters = clusters
        self._gate = gate
        self._executor = executor
        self._recorder = recorder
        self._clock = clock
        self._first_statuses = _Slots(FIRST_STATUS_RATE)
        self._later_statuses = _Slots(STATUS_RATE)

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
        failure: ApiFailure | None = None
        told: Mapping[str, Any] = after
        if not status_patch(before, after):
            memory.status_changed = None
            memory.tellings.settle(Topic.STATUS)
        elif self._is_due(before, after, memory):
            async with self._gate.turn(cluster.key, yields=True) as waited:
                if waited:
                    snapshot = _brought_up_to_date(snapshot, observe())
                    told = after = compute_status(snapshot, decided, outcomes)
                failure = await self._write(snapshot, status_patch(before, after), memory)
                told = before if failure is not None else after
        else:
            told = before
        ours = ownership(cluster, snapshot.other_operator) is Ownership.OURS
        if not ours or cluster.deleting:
            memory.tellings.drop_events()
        if ours:
            violations = () if cluster.deleting else snapshot.violations
            events = events_of(outcomes, violations, before, told, decided)
            await self._recorder.post(cluster, events, snapshot.now, memory.tellings)
        return failure

    async def tell_of_the_last(
        self, snapshot: Snapshot, outcomes: Sequence[Outcome], memory: ClusterMemory
    ) -> None:
        """Post the events of a pass after which the cluster was gone: there is no status to write."""
        cluster = snapshot.cluster
        events = events_of(outcomes, (), cluster.status, cluster.status)
        await self._recorder.post(cluster, events, snapshot.now, memory.tellings)

    async def tell_of_a_defect(
        self, cluster: Cluster, memory: ClusterMemory, other_operator: str | None, now: float
    ) -> None:
        """Post that the operator can do nothing about this cluster: no status would say so."""
        if ownership(cluster, other_operator) is Ownership.OURS:
            memory.tellings.said.pop(DEFECT.reason, None)
            await self._recorder.post(cluster, (DEFECT,), now, memory.tellings)

    def _is_due(self, before: Mapping[str, Any], after: Mapping[str, Any], memory: ClusterMemory) -> bool:
        """Whether the status is written now. Else the memory has the time when it may be.

        Of a cluster that follows its queue a write that nothing but a head's answers asks for takes a token.
        """
        own_before, own_after = before, after
        if follows_a_head(before) or follows_a_head(after):
            own_before, own_after = unheard(before), unheard(after)
        if is_urgent(own_before, own_after):
            return True
        is_its_turn = not self._put_off(memory, self._slots(before))
        if is_its_turn and own_before != own_after:
            return True
        if not is_its_turn and not is_urgent(before, after):
            memory.tellings.settle(Topic.STATUS)
            return False
        return memory.tellings.take(Topic.STATUS, self._clock())

    async def _write(
        self, snapshot: Snapshot, patch: dict[str, object], memory: ClusterMemory
    ) -> ApiFailure | None:
        cluster = snapshot.cluster
        memory.status_changed = None
        memory.tellings.settle(Topic.STATUS)
        if not patch:
            return None
        failure = await self._executor.patch_status(cluster, patch)
        if failure is None:
            memory.status_written = self._clock()
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
        clock = self._clock()
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
