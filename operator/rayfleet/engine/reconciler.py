"""One pass over one cluster: observe, plan, apply, status. What the pieces decide is theirs."""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.autoscaling import Memory
from rayfleet.engine.executor import Executor
from rayfleet.engine.memory import ClusterMemory
from rayfleet.engine.reporter import Reporter
from rayfleet.engine.verify import Check, Gone, Verifier, failed
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.errors import Policy, is_of_new_kind, policy
from rayfleet.fair_threads import FairThreads
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.plan import AdvanceHeadEpoch, CreatePod, Outcome, Plan, plan
from rayfleet.kinds.raycluster.plan.scaling import is_long
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.ray_memory import KEEP_SECONDS
from rayfleet.kinds.raycluster.validity import template_hashes
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.polling.schedule import DECIDING_SHARE

log = logging.getLogger(__name__)

LARGE_SPEC = 32 << 10
"""Bytes of a spec whose plan may take 10 ms: then nobody else should have to wait for it."""
LONG_PLAN_SECONDS = 0.25
"""CPU time of a plan after which its cluster rests for many times as long, whatever wakes it: one whose queue
takes seconds to look through, and whose pods come and go, would otherwise be planned for without a pause."""
SOON = 0.05
NEW_KIND_SECONDS = 1.0
"""Between attempts while the API server does not know RayClusters well enough to let them own anything."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pass depends on beside its cluster; asked anew in each pass."""

    view_epoch: Callable[[Key], Hashable]
    """Changes whenever the cached pods of this cluster may have missed something: after a gap of their
    watch, and with each term as the leader."""
    term_began: Callable[[], int]
    """The resourceVersion of RayClusters when this term as the leader began."""
    other_operator: Callable[[str], str | None]
    """The Lease of another operator that is alive and could act in a namespace, if any."""
    term_number: Callable[[], int] = lambda: 0
    term: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered for a pass: what it writes belongs to the term in which it was decided."""
    coming: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while a pass makes sure that it may write."""
    acted: Callable[[Key, bool], None] = lambda _key, _did: None
    """Told when a pass has done all that it does and is going to report, and whether it did anything."""
    waits: Callable[[Key], None] = lambda _key: None
    """Told before a pass waits for its turn to decide at length: nobody else is to wait for that."""
    now: Callable[[], float] = time.time


class Reconciler:
    """Brings clusters to what they should be, one pass at a time."""

    def __init__(
        self,
        client: KubeClient,
        view: View,
        executor: Executor,
        reporter: Reporter,
        surroundings: Surroundings,
        threads: FairThreads | None = None,
    ) -> None:
        self._view = view
        self._executor = executor
        self._reporter = reporter
        self._around = surroundings
        self._verifier = Verifier(client, view, surroundings.view_epoch)
        self._threads = threads if threads is not None else FairThreads()
        self._memories: dict[Key, ClusterMemory] = {}

    async def reconcile(self, key: Key) -> Done | Retry:
        """One pass. Expected trouble is in the result; an exception is a defect, and is told of."""
        if (rest := self._rest(key)) > 0:
            return Done(requeue_after=rest)
        with self._around.term():
            if key in self._view.clusters:
                self._view.scaling.ledger.begin(key)
            try:
                return await self._pass(key)
            except Exception:
                if key in self._view.clusters:
                    self._view.scaling.ledger.fail(key)
                await self._tell_of_a_defect(key)
                raise

    def _rest(self, key: Key) -> float:
        """Seconds for which a cluster is left alone, as its last plan took long; none for a changed spec."""
        memory, generation = self._memories.get(key), self._view.clusters.generation(key)
        if memory is None or (memory.generation, memory.term) != (generation, self._around.term_number()):
            return 0.0
        return memory.rests_until - asyncio.get_running_loop().time()

    async def _tell_of_a_defect(self, key: Key) -> None:
        """Once for each generation: whoever wrote what the operator cannot work through is to see it."""
        cluster, memory = self._view.clusters.get(key), self._memories.get(key)
        if cluster is None or memory is None or memory.defect_told == cluster.generation:
            return
        memory.defect_told = cluster.generation
        try:
            other, now = self._around.other_operator(key.namespace), self._around.now()
            await self._reporter.tell_of_a_defect(cluster, memory, other, now)
        except Exception:
            log.exception("A failed pass could not be told of", extra={"cluster": str(key)})

    async def _pass(self, key: Key) -> Done | Retry:
        known = self._memories.get(key)
        if known is not None and known.term != self._around.term_number():
            del self._memories[key]
        snapshot = self._observe(key)
        if snapshot is None:
            self._forget(key)
            return Done()
        decided = await self._plan(snapshot)
        if await self._view.scaling.know_ceilings(snapshot, decided, self._memories[key]):
            snapshot = self._observe(key)
            if snapshot is None:
                return Done()
            decided = await self._plan(snapshot)
        checked = await self._check(snapshot, decided)
        if isinstance(checked, Done | Retry):
            return checked
        snapshot, decided = checked
        outcomes = await self._executor.run(snapshot.cluster, decided) if decided.actions else ()
        return await self._conclude(snapshot, decided, outcomes)

    async def _check(self, snapshot: Snapshot, decided: Plan) -> tuple[Snapshot, Plan] | Done | Retry:
        """What to act on once the API server has said that it is no old view, and the plan for that."""
        key = snapshot.cluster.key
        for check, applies in (
            (self._verifier.verify, _acts),
            (self._verifier.look_for_head, _makes_head),
        ):
            if not applies(decided):
                continue
            with self._around.coming():
                found = await check(snapshot.cluster, self._memories[key])
            if isinstance(found, Gone):
                self._forget(key)
                return Done()
            if isinstance(found, Done | Retry):
                return found
            verified = self._observe(key) if found is Check.ASKED else snapshot
            if verified is None:
                return Done()
            if verified is not snapshot and not _is_same(verified, snapshot):
                snapshot, decided = verified, await self._plan(verified)
        return snapshot, decided

    async def _plan(self, snapshot: Snapshot) -> Plan:
        key = snapshot.cluster.key
        memory, stored = self._memories[key], self._view.clusters.stored_spec(key)
        if is_long(snapshot) or (stored is not None and len(stored) > LARGE_SPEC):
            self._around.waits(key)
            decided, seconds = await self._threads.run(
                key.namespace, partial(_timed_plan, snapshot, memory.scaling)
            )
            if seconds > LONG_PLAN_SECONDS:
                memory.rests_until = asyncio.get_running_loop().time() + seconds * DECIDING_SHARE
        else:
            decided, seconds = plan(snapshot, memory.scaling), 0.0
        self._view.scaling.heads.took(key, seconds)
        return self._view.scaling.admit(snapshot, decided)

    def _observe(self, key: Key) -> Snapshot | None:
        cluster = self._view.clusters.get(key)
        if cluster is None:
            return None
        memory = self._memories.get(key)
        if memory is None or memory.uid != cluster.uid:
            memory = self._memories[key] = ClusterMemory(cluster.uid, self._around.term_number())
            if cluster.born > self._around.term_began():
                # Nobody but us can have made pods for it, and we have not yet.
                memory.verified_epoch, memory.newborn = self._around.view_epoch(key), True
        stray, pods = memory.stray_head, self._view.pods
        if stray is not None and (
            asyncio.get_running_loop().time() >= memory.stray_until
            or stray.uid in {pod.uid for pod in pods.owned_by(key)}
            or pods.is_gone(stray)
        ):
            memory.stray_head = None
        now = self._around.now()
        memory.keep_time(now, asyncio.get_running_loop().time())
        memory.meet(cluster.generation, now)
        return self._view.snapshot(cluster, memory, self._around.other_operator(key.namespace), now)

    def _forget(self, key: Key) -> None:
        self._view.scaling.forget(key)
        self._memories.pop(key, None)

    async def _conclude(self, snapshot: Snapshot, decided: Plan, outcomes: Sequence[Outcome]) -> Done | Retry:
        """Remember, report, and say when to come back."""
        key = snapshot.cluster.key
        memory = self._memories[key]
        outcomes, is_early = _without_new_kind(outcomes)
        self._view.scaling.remember(snapshot, decided, memory)
        refusals, lessons, is_newest = memory.refused.times, memory.lessons, True
        if outcomes:
            outcomes = memory.learn(outcomes, self._around.now())
            self._view.scaling.not_created(snapshot, outcomes)
            memory.endings.learn(outcomes, snapshot.pods, self._around.now())
            after = self._observe(key)
            if after is None or after.cluster.uid != snapshot.cluster.uid:
                await self._reporter.tell_of_the_last(snapshot, outcomes, memory)
                return Done(requeue_after=0.0)
            is_newest = after.cluster.generation == snapshot.cluster.generation
            snapshot = after if is_newest else _of_the_same_spec(snapshot, after)
        self._remember_spec(snapshot, memory, outcomes)
        memory.release(_wanting(decided), snapshot.now)
        # A hold that is over is no longer to be reported: nothing may happen that would do so later.
        snapshot = replace(snapshot, held=memory.held)
        self._around.acted(key, bool(outcomes))
        again_in = await self._view.scaling.follow(snapshot, decided, memory)
        waits = _waits(decided, outcomes, memory, snapshot.now)
        if again_in is not None:
            waits.append(again_in)
        # After a refusal there may be an earlier template to go on with, or a larger wait container to try.
        if memory.refused.times > refusals or memory.lessons > lessons or not is_newest:
            waits.append(0.0)
        observe = partial(self._observe, key)
        failure = await self._reporter.report(snapshot, decided, outcomes, memory, observe)
        if failure is not None:
            return failed(failure, "write the status")
        clock = asyncio.get_running_loop().time()
        if (due := memory.tells_at(clock)) is not None:
            waits.append(due - clock)
        for outcome in outcomes:
            if outcome.failure is not None and not _is_held(outcome):
                return failed(outcome.failure, f"carry out {type(outcome.action).__name__}")
        waits += [NEW_KIND_SECONDS] if is_early else []
        return Done(requeue_after=max(min(waits), SOON if memory.held else 0.0) if waits else None)

    def _remember_spec(self, snapshot: Snapshot, memory: ClusterMemory, outcomes: Sequence[Outcome]) -> None:
        cluster = snapshot.cluster
        if self._view.clusters.generation(cluster.key) != cluster.generation:
            return
        if snapshot.violations or snapshot.spec is None:
            return
        stored = memory.last_valid = self._view.clusters.stored_spec(cluster.key)
        if memory.proven != stored:
            taken = {pod.template_hash for pod in snapshot.pods}
            hashes = template_hashes(cluster, snapshot.spec, snapshot.pod_settings, _taken(outcomes))
            if all(value in taken for _, value in hashes):
                memory.proven = stored


def _timed_plan(snapshot: Snapshot, scaling: Memory) -> tuple[Plan, float]:
    """The plan, and the CPU time that it took."""
    began = time.thread_time()
    return plan(snapshot, scaling), time.thread_time() - began


def _acts(decided: Plan) -> bool:
    return bool(decided.actions)


def _makes_head(decided: Plan) -> bool:
    return any(
        isinstance(action, AdvanceHeadEpoch)
        or (isinstance(action, CreatePod) and action.node_type == NodeType.HEAD)
        for action in decided.actions
    )


def _is_same(now: Snapshot, before: Snapshot) -> bool:
    """Whether a plan would be the same but for the GPUs of others, which are looked at last."""
    scaling = replace(now.scaling, usage=before.scaling.usage)
    return replace(now, now=before.now, scaling=scaling) == before


def _without_new_kind(outcomes: Sequence[Outcome]) -> tuple[Sequence[Outcome], bool]:
    """What was refused as our kind is new counts as not tried, which troubles nobody; and whether any was."""
    early = [o.failure is not None and is_of_new_kind(o.failure) for o in outcomes]
    return [
        replace(o, failure=None, tried=False) if is_early else o
        for o, is_early in zip(outcomes, early, strict=True)
    ], any(early)


def _of_the_same_spec(before: Snapshot, after: Snapshot) -> Snapshot:
    """What is there after a pass, for the spec that it was about: of a newer one nothing can be said yet."""
    cluster = replace(after.cluster, generation=before.cluster.generation, spec=before.cluster.spec)
    return replace(
        after, cluster=cluster, spec=before.spec, violations=before.violations, withheld=before.withheld
    )


def _taken(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Template hashes that the API server has just taken, by group."""
    done = (outcome.action for outcome in outcomes if outcome.done)
    return {action.group: action.template_hash for action in done if isinstance(action, CreatePod)}


def _waits(decided: Plan, outcomes: Sequence[Outcome], memory: ClusterMemory, now: float) -> list[float]:
    """Seconds until things that only time changes."""
    waits = [] if decided.requeue_after is None else [decided.requeue_after]
    if memory.stray_head is not None:
        waits.append(max(memory.stray_until - asyncio.get_running_loop().time(), 0.0))
    if any(outcome.refusal or outcome.unanswered for outcome in outcomes):
        waits.append(KEEP_SECONDS)
    if (tried_in := memory.refused.tried_in(now)) is not None:
        waits.append(tried_in)
    return [*waits, *memory.endings.looks(now), *(hold.until - now for hold in memory.held.values())]


def _wanting(decided: Plan) -> set[str]:
    """The groups in which the plan creates pods."""
    groups = {getattr(action, "group", HEAD_GROUP) for stage in decided.stages for action in stage}
    return {str(group) for group in groups}


def _is_held(outcome: Outcome) -> bool:
    """Whether a failed action's group is left alone for a while, or refused for good: no need to hurry."""
    if outcome.failure is None or not isinstance(outcome.action, CreatePod):
        return False
    return policy(outcome.failure) in {Policy.DENIED, Policy.RETRY, Policy.INVALID}
