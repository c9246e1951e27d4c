"""The engine of one process: it watches, leads, and makes passes over the roots of its kinds."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from msgspec import Struct

from rayfleet.engine.children import Child, Wakes, followed, stores_for
from rayfleet.engine.events import EventRecorder
from rayfleet.engine.executor import Executor
from rayfleet.engine.gate import FairGate
from rayfleet.engine.kind import AnyKind
from rayfleet.engine.outcome import Outcome
from rayfleet.engine.reconciler import Reconciler, Surroundings
from rayfleet.engine.reporter import Reporter
from rayfleet.engine.term import Term
from rayfleet.engine.workqueue import Done, Retry, Work, WorkQueue
from rayfleet.fair_threads import FairThreads
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.informer import Informer, wait_until_served
from rayfleet.kube.leases import LeaderElector
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.resources import Resource

REPORTING, JUST_REPORTING = 320, 64
"""How many passes may wait to report besides those being worked on; the lower limit is for passes without
any action. Each holds its root unpacked and its results: 30 to 70 KB. After a restart, or when a fleet is
created, all roots have such a pass at once, and a process does not return the memory of its peak."""
_PASS: ContextVar[Key | None] = ContextVar("the root whose pass is under way", default=None)
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 60.0


class Setup(Struct, frozen=True):
    """How one process runs the engine."""

    identity: str
    namespaces: tuple[str, ...] = ()
    """The namespaces to watch; empty for all."""
    lease_namespace: str = "default"
    write_concurrency: int = 32
    reconcile_concurrency: int = 32


class Loop:
    """The parts of the engine, put together: `serve` adds the kinds, `parts` is what runs."""

    def __init__(
        self,
        credentials: Credentials,
        setup: Setup,
        roots: Sequence[Resource],
        children: Iterable[Child[Any]],
        *,
        optional: Collection[str] = (),
        timed: Callable[[Work], Work] = lambda work: work,
        is_known: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`timed` wraps each pass; no pass is made in a namespace that is not known.

        `optional` are root kinds without which the others work: their CRD may be absent, or come later.
        """
        self._setup = setup
        self._required = tuple(root for root in roots if root.kind not in optional)
        self._is_known = is_known
        self._kinds: dict[str, AnyKind] = {}
        self._reconcilers: dict[str, Reconciler[Any, Any, Any]] = {}
        self.client = KubeClient(
            credentials,
            connections=setup.write_concurrency * 2,
            may_write=lambda: self.term.seconds_left,
        )
        # Its own client, so that a renewal never waits for the connections that everything else uses.
        self._election_client = KubeClient(credentials, connections=1, calls=self.client.calls)
        self.election = LeaderElector(
            self._election_client,
            setup.lease_namespace,
            setup.identity,
            clock=_seconds_since_boot,
            on_gain=self._lead,
            on_loss=self._stand_by,
        )
        self.term = Term(
            self.client,
            setup.namespaces,
            number=lambda: self.election.term,
            seconds_left=lambda: self.election.seconds_left,
            roots=roots,
            optional=optional,
        )
        each = tuple(children)
        self.stores = stores_for(roots, each, self._answered)
        self.threads = FairThreads()
        self.served, self.started = asyncio.Event(), asyncio.Event()
        wakes = Wakes(self.wake, self._wake_for_child, self._wake_soon)
        self.informer = Informer(
            self.client,
            setup.namespaces,
            tuple(followed(roots, each, self.stores, wakes, optional)),
            on_readable=self.wake_namespace,
        )
        self._gate = FairGate(setup.write_concurrency, per_cluster=max(1, setup.write_concurrency * 3 // 4))
        self.queue = WorkQueue(
            timed(self.reconcile),
            concurrency=setup.reconcile_concurrency,
            first_backoff=FIRST_BACKOFF,
            longest_backoff=LONGEST_BACKOFF,
        )

    def serve(self, *kinds: AnyKind, on_outcome: Callable[[Outcome], None] = lambda _: None) -> None:
        """Add the kinds, before anything runs; `on_outcome` is called for each action that was tried."""
        executor = Executor(self.client, self._gate, self.stores, on_outcome)
        events = EventRecorder(self.client, self._gate, instance=self._setup.identity)
        reporter = Reporter(self.client, self.stores, self._gate, executor, events)
        around = Surroundings(
            view_epoch=lambda key: (self.election.term, self.informer.gaps(key.namespace)),
            term_number=lambda: self.election.term,
            term=self.term.decided,
            term_began=self.term.began,
            coming=self._gate.coming,
            acted=self._make_room,
            is_woken=self.queue.is_woken,
            forget_wakes=self.queue.forget_wakes,
            waits=self._make_room_for_long,
            now=self.client.clock.now,
        )
        for kind in kinds:
            name = kind.resource.kind
            self._kinds[name] = kind
            self._reconcilers[name] = Reconciler(
                kind, self.client, self.stores, executor, reporter, around, self.threads
            )

    def parts(self, before_leading: Callable[[], Coroutine[Any, Any, object]]) -> Mapping[str, Any]:
        """The coroutines that run until the process ends, by name."""
        return {
            "informer": self.informer.run(self.served),
            "CRDs": self._await_crds(),
            "beginning of terms": self.term.run(),
            "work": self._work(before_leading),
        }

    async def stop_work(self, grace: float) -> None:
        """Begin no more passes; those in progress have `grace` seconds."""
        await self.queue.stop(grace)

    async def resign(self) -> None:
        """Let another operator lead."""
        await self.election.release()

    async def close(self) -> None:
        """Close threads and connections."""
        self.threads.close()
        await self.client.close()
        await self._election_client.close()

    @property
    def keys(self) -> Iterable[Key]:
        """Every known root."""
        return (key for store in self.stores.roots.values() for key in store)

    def wake(self, key: Key) -> None:
        """Queue a root, and the roots of other kinds that depend on it."""
        self.queue.add(key)
        self._wake_dependents(key)

    def wake_namespace(self, namespace: str | None) -> None:
        """Queue all roots of a namespace (None: of all namespaces)."""
        for key in self.keys:
            if namespace in {None, key.namespace}:
                self.queue.add(key)

    async def reconcile(self, key: Key) -> Done | Retry:
        """Make a pass, unless too little is known about the namespace; when that changes, it is woken."""
        if key in self.stores.roots[key.kind] and not self.is_known(key.namespace):
            return Done()
        before = _PASS.set(key)
        try:
            return await self._reconcilers[key.kind].reconcile(key)
        finally:
            _PASS.reset(before)

    def is_known(self, namespace: str) -> bool:
        """Whether enough is known about a namespace for passes over its roots."""
        return self.informer.readable(namespace) and self._is_known(namespace)

    async def _await_crds(self) -> None:
        await wait_until_served(self.client, self._required)
        self.served.set()
        await asyncio.Event().wait()  # If a part ended, the process would end.

    async def _work(self, before_leading: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Only the leader decides, and only once every kind that decisions need has been listed."""
        await self.informer.wait_started()
        self.started.set()
        await before_leading()
        await self.election.run()

    def _lead(self) -> None:
        """Every root is looked at, whatever was decided before, by us or by another operator."""
        self.term.gain()
        for kind in self._kinds.values():
            kind.lead()
        self.wake_namespace(None)
        self.queue.start()

    def _stand_by(self) -> None:
        for kind in self._kinds.values():
            kind.stand_by()
        self.queue.pause()

    def _wake_dependents(self, key: Key) -> None:
        for name, kind in self._kinds.items():
            if name != key.kind:
                for dependent in kind.dependents(key):
                    self.queue.add(dependent)

    def _answered(self, key: Key) -> None:
        """An answer has changed a root, so its event will wake nobody. Its own pass needs no wake-up."""
        if _PASS.get() == key:
            self._wake_dependents(key)
        else:
            self.wake(key)

    def _wake_for_child(self, key: Key) -> None:
        self._kinds[key.kind].changed(key)
        self.wake(key)

    def _wake_soon(self, key: Key) -> None:
        kind = self._kinds[key.kind]
        kind.changed(key)
        self.queue.add_after(key, kind.pace(key, self._reconcilers[key.kind].counts_wait(key)))

    def _make_room(self, key: Key, did: bool) -> None:  # noqa: FBT001 - called by position, as a callback is
        self.queue.make_room(key, at_most=REPORTING if did else JUST_REPORTING)

    def _make_room_for_long(self, key: Key) -> None:
        self.queue.make_room(key)


def _seconds_since_boot() -> float:
    """A clock that also runs while the process is stopped and, where possible, the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
