"""Reports a pass to users: the status and the events. Reports never go before writes that create pods."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.engine.actions import StagedPlan
from rayfleet.engine.children import Stores
from rayfleet.engine.event import Event
from rayfleet.engine.events import EventRecorder, loop_time
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.kind import AnyKind
from rayfleet.engine.memory import Remembered
from rayfleet.engine.outcome import Outcome
from rayfleet.engine.pacing import Topic
from rayfleet.engine.statuses import is_reported, status_patch
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import JsonObject
from rayfleet.kube.objects.roots import Root

STATUS_DELAY = 1.0
"""Seconds that a change of counts alone may wait, so that others join it in one write."""
STATUS_PACE = 10.0
"""Seconds between such a write and the previous status write, while counts keep changing."""
STATUS_LATEST = 10.0
"""Seconds that such a change waits beyond that at most, however much else there is to write."""
FIRST_STATUS_RATE = 25.0
STATUS_RATE = 10.0
"""Such writes per second over all clusters, of first and of later statuses. While a fleet starts, counts are
reported sparsely, as its clusters are about to be reported ready."""

DEFECT = Event(
    "Warning",
    "ReconcileFailed",
    "Reconcile",
    "The operator failed on this cluster because of an internal error, and leaves its pods as they are. It"
    " retries at least once a minute. Undo the last change of the spec, and report this with the operator's"
    " log.",
)


class Pass(Struct, frozen=True):
    """The result of a pass over one root."""

    kind: AnyKind
    root: Root
    snapshot: Any
    """The kind's snapshot after the pass."""
    plan: StagedPlan | None
    """None if the root was gone after the pass."""
    outcomes: Sequence[Outcome]
    memory: Remembered[Any]
    now: float
    """Unix seconds."""

    @property
    def status(self) -> dict[str, Any]:
        """The status to store."""
        return self.kind.status(self.snapshot, self.plan, self.outcomes)

    def events(self, outcomes: Sequence[Outcome], stored: JsonObject) -> Sequence[Event]:
        """The events about `outcomes`, and about the status stored now."""
        return self.kind.events(self.snapshot, self.plan, outcomes, self.root.status, stored)


class Reporter:
    """Writes statuses and events, with the capacity that other writes leave free."""

    def __init__(
        self,
        client: KubeClient,
        stores: Stores,
        gate: FairGate,
        executor: Executor,
        recorder: EventRecorder,
        clock: Callable[[], float] = loop_time,
    ) -> None:
        self._client = client
        self._stores = stores
        self._gate = gate
        self._executor = executor
        self._recorder = recorder
        self._clock = clock
        self._first_statuses = _Slots(FIRST_STATUS_RATE)
        self._later_statuses = _Slots(STATUS_RATE)

    async def report(self, done: Pass, observe: Callable[[], tuple[Root, Any] | None]) -> ApiFailure | None:
        """Write the status if it is due, and post the events; return why the status could not be written.

        `observe` returns the root and the kind's snapshot at the moment of the write.
        """
        failure, stored = await self._report_status(done, observe)
        await self._post_events(done, done.outcomes, stored)
        if failure is None and self._has_come_due(done.memory):
            # It came due while events were posted: this saves a pass when a fleet starts.
            later = _as_it_is_now(done, observe())
            if later is not done:
                failure, stored = await self._report_status(later, observe)
                await self._post_events(later, (), stored)
        return failure

    async def _report_status(
        self, done: Pass, observe: Callable[[], tuple[Root, Any] | None]
    ) -> tuple[ApiFailure | None, JsonObject]:
        """Write the status unless it can wait; return why it could not be written, and what is stored now."""
        memory, before, after = done.memory, done.root.status, done.status
        if not status_patch(before, after):
            memory.status_changed = None
            memory.budget.settle(Topic.STATUS)
            return None, before
        if not self._is_due(done, before, after):
            return None, before
        async with self._gate.turn(done.root.key, yields=True) as waited:
            if waited:
                done = _as_it_is_now(done, observe())
                after = done.status
            failure = await self._write(done, status_patch(before, after))
        return failure, before if failure is not None else after

    async def _post_events(self, done: Pass, outcomes: Sequence[Outcome], stored: JsonObject) -> None:
        ours, budget = done.kind.is_ours(done.root), done.memory.budget
        if not ours or done.root.deleting:
            budget.drop_events()
        if ours:
            await self._post(done, done.events(outcomes, stored))

    def _has_come_due(self, memory: Remembered[Any]) -> bool:
        """Whether a status that was put off is now due."""
        if memory.status_changed is None or memory.budget.is_waiting(Topic.STATUS):
            return False
        return self._clock() >= memory.status_due

    def counts_wait(self, memory: Remembered[Any]) -> float:
        """Seconds until a status that differs only in counts may be written."""
        due = memory.status_due if memory.status_changed is not None else memory.status_written + STATUS_PACE
        return due - self._clock()

    async def report_last(self, done: Pass) -> None:
        """Post the events of a pass after which the root was gone, so that there is no status to write."""
        await self._post(done, done.events(done.outcomes, done.root.status))

    async def report_defect(self, done: Pass) -> None:
        """Post that the operator cannot handle this root: there is no status that would say so."""
        if done.kind.is_ours(done.root):
            done.memory.budget.last_notes.pop(DEFECT.reason, None)
            await self._post(done, (DEFECT,))

    async def _post(self, done: Pass, events: Sequence[Event]) -> None:
        await self._recorder.post(done.kind.resource, done.root, events, done.now, done.memory.budget)

    def _is_due(self, done: Pass, before: JsonObject, after: JsonObject) -> bool:
        """Whether to write the status now. If not, the memory holds the time when it is due.

        A write that only the answers of the tenant's programs cause takes a token.
        """
        kind, memory = done.kind, done.memory
        own_before, own_after = kind.unheard(before, after)
        if kind.is_urgent(own_before, own_after):
            return True
        is_its_turn = not self._put_off(memory, self._slots(before))
        if is_its_turn and own_before != own_after:
            return True
        if not is_its_turn and not kind.is_urgent(before, after):
            memory.budget.settle(Topic.STATUS)
            return False
        return memory.budget.take(Topic.STATUS, self._clock())

    async def _write(self, done: Pass, patch: dict[str, object]) -> ApiFailure | None:
        resource, root, memory = done.kind.resource, done.root, done.memory
        memory.status_changed = None
        memory.budget.settle(Topic.STATUS)
        if not patch:
            return None
        failure = await self._executor.patch_status(resource, root, patch)
        if failure is None:
            memory.status_written = self._clock()
        elif is_gone(failure, resource.plural, root.key.name):
            return None
        elif policy(failure) is Policy.CONFLICT:
            live = await self._client.get(resource.path(root.key.namespace, root.key.name))
            if not isinstance(live, ApiFailure):
                self._stores.roots[resource.kind].apply(live)
        return failure

    def _slots(self, before: JsonObject) -> "_Slots":
        return self._later_statuses if is_reported(before) else self._first_statuses

    def _put_off(self, memory: Remembered[Any], slots: "_Slots") -> bool:
        """Whether a change that is not urgent waits until `memory.status_due`."""
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
    """Spreads the times of one kind of write, at a rate per second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = float("-inf")

    def next(self, clock: float, earliest: float) -> float:
        """The time of the next such write, at most STATUS_LATEST after `earliest`."""
        slot = max(earliest, self._next)
        self._next = max(clock, self._next) + 1 / self._rate
        return min(slot, earliest + STATUS_LATEST)


def _as_it_is_now(done: Pass, seen: tuple[Root, Any] | None) -> Pass:
    """The report, brought up to date with a later look, unless that look is at another object or spec."""
    if seen is None or not _still_applies(done.root, seen[0]):
        return done
    return replace(done, root=seen[0], snapshot=done.kind.refreshed(done.snapshot, seen[1]))


def _still_applies(root: Root, later: Root) -> bool:
    """Whether the result of a pass over `root` may still be written to `later`."""
    return (root.uid, root.generation, root.deleting, root.status) == (
        later.uid,
        later.generation,
        later.deleting,
        later.status,
    )
