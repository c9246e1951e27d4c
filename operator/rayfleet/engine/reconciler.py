"""One pass over one root: observe, plan, apply, status. The kind decides what to do."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Generic

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.engine.actions import Action, Create, Handled
from rayfleet.engine.children import Stores
from rayfleet.engine.executor import Executor
from rayfleet.engine.kind import Check, Guard, Kind, Look, M, P, S
from rayfleet.engine.memory import Remembered
from rayfleet.engine.outcome import Failed, NotTried, Outcome
from rayfleet.engine.reporter import Pass, Reporter
from rayfleet.engine.statuses import status_patch
from rayfleet.engine.verify import RootIsGone, Verifier, failed
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.errors import Policy, is_of_new_kind, policy
from rayfleet.fair_threads import FairThreads
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root

log = logging.getLogger(__name__)

LARGE_SPEC = 32 << 10
"""Bytes of a spec whose plan may take 10 ms: too long for other roots to wait."""
LONG_PLAN_SECONDS = 0.25
"""CPU time of a plan after which its root rests for `REST` times as long, whatever wakes it. A root whose
queue takes seconds to search, and whose pods come and go, would otherwise be planned for without a pause."""
REST = 10.0
"""How many times the CPU time of a long plan its root rests."""
NEW_KIND_SECONDS = 1.0
"""Between attempts while the API server does not yet accept our kinds as owners."""


class Surroundings(Struct, frozen=True):
    """What a pass depends on besides its root; read in each pass."""

    view_epoch: Callable[[Key], Hashable]
    """Changes whenever the cached children of a root may have missed something: after a gap of their
    watch, and with each term as the leader."""
    term_began: Callable[[str], int]
    """The resourceVersion of a kind when the current term began."""
    term_number: Callable[[], int] = lambda: 0
    term: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered for a pass: its writes belong to the term in which they were decided."""
    coming: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while a pass makes sure that it may write."""
    acted: Callable[[Key, bool], None] = lambda _key, _did: None
    """Called when a pass has finished writing and is about to report; the flag says whether it acted."""
    is_woken: Callable[[Key], bool] = lambda _key: False
    """Whether something has woken a root since its pass began."""
    forget_wakes: Callable[[Key], None] = lambda _key: None
    """Called when a pass has observed all of that, and nothing is left to do."""
    waits: Callable[[Key], None] = lambda _key: None
    """Called before a pass waits for its turn to make a long plan, so that no other root waits for that."""
    now: Callable[[], float] = time.time


class Reconciler(Generic[M, S, P]):
    """Reconciles the roots of one kind, one pass at a time."""

    def __init__(
        self,
        kind: Kind[M, S, P],
        client: KubeClient,
        stores: Stores,
        executor: Executor,
        reporter: Reporter,
        surroundings: Surroundings,
        threads: FairThreads | None = None,
    ) -> None:
        self._kind = kind
        self._roots = stores.roots[kind.resource.kind]
        self._executor = executor
        self._reporter = reporter
        self._around = surroundings
        self._verifier = Verifier(client, stores, surroundings.view_epoch)
        self._threads = threads if threads is not None else FairThreads()
        self._memories: dict[Key, Remembered[M]] = {}
        early = [guard for guard in kind.guards if guard.before_verified]
        self._guards = (*early, None, *(guard for guard in kind.guards if not guard.before_verified))
        """In the order in which they run; None is the verification, which every kind has."""
        self._verified = {child.resource for child in kind.children if child.selectors_of is not None}

    async def reconcile(self, key: Key) -> Done | Retry:
        """Make one pass. Expected trouble is in the result; an exception is a defect, which is reported."""
        if (rest := self._rest(key)) > 0:
            return Done(requeue_after=rest)
        with self._around.term():
            if key in self._roots:
                self._kind.begin(key)
            try:
                return await self._pass(key)
            except Exception:
                if key in self._roots:
                    self._kind.fail(key)
                await self._report_defect(key)
                raise

    def counts_wait(self, key: Key) -> float:
        """Seconds until a status of this root that differs only in counts may be written."""
        memory = self._memories.get(key)
        return 0.0 if memory is None else self._reporter.counts_wait(memory)

    def _rest(self, key: Key) -> float:
        """Seconds for which a root rests because its last plan took long; 0 if the spec has changed since."""
        memory, generation = self._memories.get(key), self._roots.generation(key)
        if memory is None or (memory.generation, memory.term) != (generation, self._around.term_number()):
            return 0.0
        return memory.rests_until - asyncio.get_running_loop().time()

    async def _report_defect(self, key: Key) -> None:
        """Report a defect once for each generation, to whoever wrote a spec that we cannot process."""
        root, memory = self._roots.get(key), self._memories.get(key)
        if root is None or memory is None or memory.defect_reported == root.generation:
            return
        memory.defect_reported = root.generation
        try:
            await self._reporter.report_defect(self._done(root, None, None, (), memory))
        except Exception:
            log.exception("A failed pass could not be reported", extra={"cluster": str(key)})

    async def _pass(self, key: Key) -> Done | Retry:
        known = self._memories.get(key)
        if known is not None and known.term != self._around.term_number():
            del self._memories[key]
        seen = self._observe(key)
        if seen is None:
            self._forget(key)
            return Done()
        root, snapshot = seen
        checked = await self._check(root, snapshot, await self._plan(root, snapshot))
        if isinstance(checked, Done | Retry):
            return checked
        root, snapshot, decided = checked
        if any(isinstance(act.verb, Handled) and act.verb.may_hang for act in decided.actions):
            self._around.waits(key)
        outcomes = await self._executor.run(self._kind, root, decided) if decided.actions else ()
        return await self._conclude(root, snapshot, decided, outcomes)

    async def _check(self, root: Root, snapshot: S, decided: P) -> tuple[Root, S, P] | Done | Retry:
        """What to act on, once the API server has confirmed that the view is current, and the plan for it."""
        for guard in self._guards:
            if not (decided.actions if guard is None else guard.applies(snapshot, decided)):
                continue
            found = await self._ask(guard, root)
            if isinstance(found, RootIsGone):
                self._forget(root.key)
                return Done()
            if isinstance(found, Done | Retry):
                return found
            if found is Check.NOTHING_ASKED:
                continue
            seen = self._observe(root.key)
            if seen is None:
                return Done()
            if not self._kind.is_same(seen[1], snapshot):
                root, snapshot = seen
                decided = await self._plan(root, snapshot)
        return root, snapshot, decided

    async def _ask(self, guard: Guard[M, S, P] | None, root: Root) -> Check | RootIsGone | Done | Retry:
        """Run a guard of the kind, or the verification (None)."""
        memory = self._memories[root.key]
        if guard is not None and guard.before_verified:
            return await guard.check(root, memory.own)
        with self._around.coming():
            if guard is None:
                return await self._verifier.verify(self._kind, root, memory)
            return await guard.check(root, memory.own)

    async def _plan(self, root: Root, snapshot: S) -> P:
        key = root.key
        if self._takes_long(key, snapshot):
            self._around.waits(key)
            timed = partial(_timed, self._kind.plan, snapshot)
            decided, seconds = await self._threads.run(key.namespace, timed)
            if seconds > LONG_PLAN_SECONDS:
                self._memories[key].rests_until = asyncio.get_running_loop().time() + seconds * REST
        else:
            decided, seconds = self._kind.plan(snapshot), 0.0
        self._kind.planned(key, seconds)
        return self._kind.admit(snapshot, decided)

    def _takes_long(self, key: Key, snapshot: S) -> bool:
        """Whether to plan may take so long that nobody should wait for it."""
        stored = self._roots.stored_spec(key)
        return self._kind.is_long(snapshot) or (stored is not None and len(stored) > LARGE_SPEC)

    def _observe(self, key: Key) -> tuple[Root, S] | None:
        root = self._roots.get(key)
        if root is None:
            return None
        memory = self._memories.get(key)
        if memory is None or memory.uid != root.uid:
            own = self._kind.new_memory(root)
            memory = self._memories[key] = Remembered(root.uid, own, self._around.term_number())
            if root.born > self._around.term_began(key.kind):
                # Only we could have created children for it, and we have not yet.
                memory.verified_epoch, memory.newborn = self._around.view_epoch(key), True
        moment = memory.meet(root.generation, self._around.now(), asyncio.get_running_loop().time())
        self._kind.learn(root, memory.own, moment)
        return root, self._kind.observe(root, memory.own, moment)

    def _look(self, key: Key) -> tuple[Root, S] | None:
        """The current state, observed without `learn`."""
        root, memory = self._roots.get(key), self._memories.get(key)
        if root is None or memory is None or memory.uid != root.uid:
            return None
        moment = Look(self._around.now(), asyncio.get_running_loop().time())
        return root, self._kind.observe(root, memory.own, moment)

    def _forget(self, key: Key) -> None:
        self._kind.forget(key)
        self._memories.pop(key, None)

    async def _conclude(
        self, root: Root, snapshot: S, decided: P, outcomes: Sequence[Outcome]
    ) -> Done | Retry:
        """Record the pass, report it, and return when the next one is due."""
        kind, memory = self._kind, self._memories[root.key]
        outcomes, is_early = _without_new_kind(outcomes)
        if any(map(self._may_have_been_made, outcomes)):
            memory.verified_epoch = None
        outcomes = kind.settle(memory.own, snapshot, decided, outcomes, self._around.now())
        later, is_newest = None, True
        if outcomes:
            seen = self._observe(root.key)
            if seen is None or seen[0].uid != root.uid:
                await self._reporter.report_last(self._done(root, snapshot, None, outcomes, memory))
                return Done(requeue_after=0.0)
            is_newest = seen[0].generation == root.generation
            root, later = (seen[0] if is_newest else replace(seen[0], generation=root.generation)), seen[1]
        snapshot = kind.conclude(memory.own, snapshot, later, decided, outcomes)
        self._around.acted(root.key, bool(outcomes))
        again_in = await kind.follow(snapshot, decided, memory.own)
        moment = Look(self._around.now(), asyncio.get_running_loop().time())
        waits = [*kind.waits(memory.own, snapshot, decided, outcomes, moment)]
        waits += [wait for wait in (decided.requeue_after, again_in) if wait is not None]
        waits += [] if is_newest else [0.0]
        done = self._done(root, snapshot, decided, outcomes, memory)
        failure = await self._reporter.report(done, partial(self._look, root.key))
        if failure is not None:
            return failed(failure, "write the status")
        clock = asyncio.get_running_loop().time()
        if (due := memory.report_due(clock)) is not None:
            waits.append(due - clock)
        for outcome in outcomes:
            if isinstance(outcome, Failed) and not kind.is_patient(outcome):
                return failed(outcome.failure, f"carry out {type(outcome.action).__name__}")
        tried = frozenset(_place(outcome.action) for outcome in outcomes if _is_tried(outcome))
        repeats, memory.tried = tried == memory.tried, tried
        if later is not None and is_newest and not is_early:
            waits += self._ask_again(done, later, tried, repeats=repeats)
        waits += [NEW_KIND_SECONDS] if is_early else []
        return Done(requeue_after=max(min(waits), kind.shortest_wait(memory.own)) if waits else None)

    def _ask_again(
        self, done: Pass, later: S, tried: Collection[tuple[type, str]], *, repeats: bool
    ) -> list[float]:
        """Plan once more, for the state after the writes; return the seconds until the next pass, if any.

        Responses enter the cache before their events, which then wake no key. An action that was just tried
        and is still planned has a time of its own: its event, a hold, a retry. A plan that may take long is
        not made twice: its root is requeued, unless the pass only repeated the one before.
        """
        key = done.root.key
        if self._takes_long(key, later):
            return [] if repeats else [0.0]
        seen = self._observe(key) if self._around.is_woken(key) else None
        plan = self._kind.plan(later if seen is None else seen[1])
        if any(_place(action) not in tried for action in plan.actions):
            return [0.0]
        if seen is not None and not plan.actions and self._has_reported(done, later, *seen, plan):
            self._kind.admit(seen[1], plan)  # Nothing is admitted, but what roots share hears of this state.
            self._around.forget_wakes(key)
        return [] if plan.requeue_after is None else [plan.requeue_after]

    def _has_reported(self, done: Pass, later: S, root: Root, snapshot: S, plan: P) -> bool:
        """Whether another pass, which has nothing to do, would find all passed on and its status stored.

        Since the pass looked last, nothing but the root's status and its children may have changed: with all
        else a kind may do more than plan and report.
        """
        kind, before = self._kind, (done.root.uid, done.root.generation, done.memory.term)
        if before != (root.uid, root.generation, self._around.term_number()):
            return False
        if not kind.is_same(kind.refreshed(later, snapshot), snapshot):
            return False
        if not kind.has_followed(later, snapshot, plan):
            return False
        return not status_patch(root.status, kind.status(kind.refreshed(done.snapshot, snapshot), plan, ()))

    def _done(
        self,
        root: Root,
        snapshot: S | None,
        decided: P | None,
        outcomes: Sequence[Outcome],
        memory: Remembered[M],
    ) -> Pass:
        return Pass(self._kind, root, snapshot, decided, outcomes, memory, self._around.now())

    def _may_have_been_made(self, outcome: Outcome) -> bool:
        """Whether the answer to a create was lost: then children are listed before the next write."""
        if not isinstance(outcome, Failed) or policy(outcome.failure) is not Policy.RETRY:
            return False
        verb = outcome.action.verb
        return isinstance(verb, Create) and verb.resource in self._verified


def _timed(plan: Callable[[S], P], snapshot: S) -> tuple[P, float]:
    """The plan and its CPU time in seconds."""
    began = time.thread_time()
    return plan(snapshot), time.thread_time() - began


def _place(action: Action) -> tuple[type, str]:
    """The class of an action, and the name of its object."""
    return type(action), getattr(action.verb, "name", "")


def _is_tried(outcome: Outcome) -> bool:
    """False for what is worth trying again at once. What a handler did not try, it cannot do now."""
    return not isinstance(outcome, NotTried) or isinstance(outcome.action.verb, Handled)


def _without_new_kind(outcomes: Sequence[Outcome]) -> tuple[Sequence[Outcome], bool]:
    """The outcomes, in which a refusal because our kind is new is NotTried; and whether there was any."""
    early = [isinstance(o, Failed) and is_of_new_kind(o.failure) for o in outcomes]
    reported = [NotTried(o.action) if is_early else o for o, is_early in zip(outcomes, early, strict=True)]
    return reported, any(early)
