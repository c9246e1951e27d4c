"""Polls the heads of all clusters independently: a slow, dead or hostile head costs the others nothing."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from rayfleet.errors import GcsFailure
from rayfleet.fair_threads import FairThreads
from rayfleet.kube.client.calls import GcsCalls
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling.deaths import MOST_IN_VAIN, NONE_KNOWN, explained, still_listed, unexplained
from rayfleet.ray.polling.observation import Moment, Observation, observed, of_pod, without_answer
from rayfleet.ray.polling.room import AnswerRoom
from rayfleet.ray.polling.schedule import (
    CHANGED_SECONDS,
    DECIDING_SHARE,
    SHORTEST_SECONDS,
    STALE_SECONDS,
    STROKE_SECONDS,
    first_wait,
    jittered,
    period,
    stroke,
)
from rayfleet.ray.state import RayState

if TYPE_CHECKING:
    from rayfleet.ray.gcs.client import GcsClient

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""How long a head may take to answer."""
STALE_MARGIN = 2 * POLL_SECONDS
"""The most seconds that an answer takes, with the causes of deaths."""
WARM_CONNECTIONS = 1000
"""Connections that are kept open between polls. Beyond that, a quiet cluster is dialled for each poll: a
connection costs 27 KB of memory, dialling 0.4 ms of CPU."""


class Target(Struct, frozen=True):
    """The head to poll for a cluster."""

    uid: str
    """The cluster's uid: another cluster of the same name starts from scratch."""
    address: str
    """`host:port` of the GCS."""
    token: str | None = None
    pod: str = ""
    """The name of the head's pod: only its answer counts. Empty: any answer counts."""

    def __repr__(self) -> str:
        return f"Target({self.uid!r}, {self.address!r}, pod={self.pod!r})"  # Not the token.


class PollClock(Struct, frozen=True):
    """Clocks and a source of randomness."""

    unix: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    """A random number from 0 up to 1."""


class _Watched:
    """One cluster that is polled."""

    __slots__ = (
        *("active", "again", "asked", "changed", "client", "deciding", "due", "in_vain", "key"),
        *("observation", "quiet", "stale", "target", "task", "timer"),
    )

    def __init__(self, key: Key, target: Target, client: "GcsClient") -> None:
        self.key = key
        self.target = target
        self.client = client
        self.active = False
        self.quiet = False
        self.observation: Observation | None = None
        self.changed = self.asked = -CHANGED_SECONDS
        """When the answer last changed, and when the last poll began, by the monotonic clock."""
        self.due = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.stale: asyncio.TimerHandle | None = None
        """Fires when the last answer becomes too old for decisions, if the next one comes later."""
        self.task: asyncio.Task[None] | None = None
        self.again = False
        self.deciding = 0.0
        """How long the last decision about its answer took."""
        self.in_vain = 0
        """How many times in a row Ray did not say why nodes are dead."""


def _no_pods(_: Key) -> Collection[str]:
    return ()


class Poller:
    """Polls the clusters it watches. `on_change` is called with a cluster's key when a decision may change.

    `pods` returns the names of a cluster's live pods: if the node of one is dead, Ray is asked why.
    """

    def __init__(  # noqa: PLR0913 - by name, each with a default
        self,
        on_change: Callable[[Key], None],
        pods: Callable[[Key], Collection[str]] = _no_pods,
        *,
        calls: GcsCalls | None = None,
        warm: int = WARM_CONNECTIONS,
        seconds: float = POLL_SECONDS,
        clockwork: PollClock | None = None,
        room: AnswerRoom | None = None,
        threads: FairThreads | None = None,
    ) -> None:
        self.calls = calls if calls is not None else GcsCalls()
        self._on_change = on_change
        self._pods = pods
        self._most_warm = warm
        self._seconds = seconds
        self._clockwork = clockwork if clockwork is not None else PollClock()
        self._room = room if room is not None else AnswerRoom()
        self._threads = threads if threads is not None else FairThreads()
        self._watched: dict[Key, _Watched] = {}
        self._quiet = 0
        self._warm: set[Key] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def watch(self, key: Key, target: Target, *, active: bool) -> None:
        """Poll `key` at `target` from now on, each second while `active`. Cheap if nothing has changed."""
        watched = self._watched.get(key)
        if watched is None or watched.target != target:
            watched = self._start(key, target, watched)
        hastened = active and not watched.active
        watched.active = active
        self._note_quiet(watched)
        if hastened:
            self._hasten(watched, self._wait(watched, active=True))

    def forget(self, key: Key) -> None:
        """Stop polling `key`, and close its connection."""
        watched = self._watched.pop(key, None)
        if watched is not None:
            self._room.forget(key)
            self._drop(watched)

    def forget_all(self) -> None:
        """Stop polling."""
        for key in list(self._watched):
            self.forget(key)

    def poke(self, key: Key) -> None:
        """Poll `key` at once, as something has happened to it."""
        watched = self._watched.get(key)
        if watched is None:
            return
        if watched.task is not None:
            watched.again = True
        else:
            since = self._clockwork.monotonic() - watched.asked
            self._hasten(watched, max(SHORTEST_SECONDS - since, 0.0))

    def took(self, key: Key, seconds: float) -> None:
        """Record how long the decision about an answer took: after a long one, the next poll is later."""
        watched = self._watched.get(key)
        if watched is None or watched.deciding == seconds:
            return
        watched.deciding = seconds
        # Counted from the last poll: a pass for another reason must not postpone the next one further.
        due = watched.asked + seconds * DECIDING_SHARE
        if watched.task is None and due > watched.due:
            wait = due - self._clockwork.monotonic()
            self._ask_after(watched, wait)
            self._wake_when_stale(watched, wait)

    def observation(self, key: Key) -> Observation | None:
        """The last observation; None before the first poll has ended."""
        watched = self._watched.get(key)
        return None if watched is None else watched.observation

    def client(self, key: Key) -> "GcsClient | None":
        """A client for other calls to the same head, over the same connection. Do not close or keep it."""
        watched = self._watched.get(key)
        return None if watched is None else watched.client

    async def close(self) -> None:
        """Stop polling, and close every connection."""
        self.forget_all()
        while self._closing:
            await asyncio.wait(self._closing)

    def _start(self, key: Key, target: Target, before: _Watched | None) -> _Watched:
        """Poll a new target. The last observation of the same cluster at its old target is kept."""
        # gRPC takes 10 MB, which an operator does not need while no cluster scales with its queue.
        from rayfleet.ray.gcs.client import GcsClient  # noqa: PLC0415 - see above

        watched = _Watched(
            key, target, GcsClient(target.address, target.token, self.calls, self._threads, key.namespace)
        )
        if before is not None:
            self._drop(before)
            if before.target.uid == target.uid:
                watched.observation, watched.changed = before.observation, before.changed
            else:
                self._room.forget(key)
        self._watched[key] = watched
        # After a start there are many new clusters; a new address of a known one is urgent.
        known = watched.observation is not None
        wait = 0.0 if known else first_wait(len(self._watched), self._clockwork.jitter())
        self._ask_after(watched, wait)
        return watched

    def _is_active(self, watched: _Watched) -> bool:
        return watched.active or self._clockwork.monotonic() - watched.changed < CHANGED_SECONDS

    def _note_quiet(self, watched: _Watched, *, gone: bool = False) -> None:
        quiet = not gone and not self._is_active(watched)
        self._quiet += quiet - watched.quiet
        watched.quiet = quiet

    def _wait(self, watched: _Watched, *, active: bool) -> float:
        usual = period(
            active=active,
            quiet=self._quiet,
            reading=watched.client.reading_seconds,
            deciding=watched.deciding,
        )
        return jittered(usual, self._clockwork.jitter())

    def _hasten(self, watched: _Watched, seconds: float) -> None:
        if watched.task is None and self._clockwork.monotonic() + seconds < watched.due:
            self._ask_after(watched, seconds)

    def _ask_after(self, watched: _Watched, seconds: float) -> None:
        if watched.timer is not None:
            watched.timer.cancel()
        now = self._clockwork.monotonic()
        due = now + seconds
        watched.due = stroke(due) if watched.quiet else due
        watched.timer = asyncio.get_running_loop().call_later(watched.due - now, self._ask, watched)

    def _ask(self, watched: _Watched) -> None:
        watched.timer = None
        watched.again = False
        watched.asked = self._clockwork.monotonic()
        watched.task = asyncio.create_task(self._poll(watched))

    async def _poll(self, watched: _Watched) -> None:
        try:
            answer = await watched.client.resource_state(self._seconds)
            answer = of_pod(answer, watched.target.pod)
            answer, deaths = await self._with_deaths(watched, answer)
            self._store(watched, answer, deaths)
            # After a failure, the next poll gets a new connection.
            if isinstance(answer, GcsFailure) or not self._keeps_warm(watched):
                self._warm.discard(watched.key)
                if not watched.client.busy:
                    await watched.client.close()
            else:
                self._warm.add(watched.key)
        except Exception:
            log.exception("Bug while polling a Ray head", extra={"cluster": str(watched.key)})
        finally:
            if self._watched.get(watched.key) is watched:
                watched.task = None
                self._note_quiet(watched)
                wait = self._wait(watched, active=not watched.quiet)
                wait = min(SHORTEST_SECONDS, wait) if watched.again else wait
                self._ask_after(watched, wait)
                self._wake_when_stale(watched, wait)

    def _wake_when_stale(self, watched: _Watched, wait: float) -> None:
        """Wake the cluster when its answer goes stale, if the next poll of its costly head is later."""
        if watched.stale is not None:
            watched.stale.cancel()
            watched.stale = None
        seen = watched.observation
        if wait + STALE_MARGIN > STALE_SECONDS and seen is not None and seen.taken is not None:
            old = self._clockwork.monotonic() - seen.taken.monotonic
            loop = asyncio.get_running_loop()
            watched.stale = loop.call_later(
                max(STALE_SECONDS - old, 0.0) + STROKE_SECONDS, self._on_change, watched.key
            )

    async def _with_deaths(
        self, watched: _Watched, answer: RayState | GcsFailure
    ) -> tuple[RayState | GcsFailure, Mapping[bytes, DeathCause]]:
        """The answer, and why nodes in it are dead. No plan may use one without the other."""
        known = watched.observation.deaths if watched.observation is not None else NONE_KNOWN
        if isinstance(answer, GcsFailure):
            return answer, known
        known = still_listed(known, answer)
        asked = unexplained(answer, known, lambda: self._pods(watched.key))
        if not asked:
            return answer, known
        books = await watched.client.nodes(asked, self._seconds)
        if isinstance(books, GcsFailure):
            watched.in_vain += 1
            if watched.in_vain < MOST_IN_VAIN:
                return books, known
            books = ()
        watched.in_vain = 0
        return answer, explained(known, asked, books)

    def _store(
        self, watched: _Watched, answer: RayState | GcsFailure, deaths: Mapping[bytes, DeathCause]
    ) -> None:
        clock = self._clockwork
        moment = Moment(clock.unix(), clock.monotonic())
        before = watched.observation or Observation(watched.target.uid)
        for key, failure in self._room.keep(watched.key, answer.size) if isinstance(answer, RayState) else ():
            if key == watched.key:
                answer = failure
            elif (seen := self._watched[key].observation) is not None:
                self._watched[key].observation = without_answer(seen, failure, moment)
                self._on_change(key)
        after, changed = observed(before, answer, moment, deaths)
        if changed and watched.observation is not None:
            watched.changed = clock.monotonic()
        watched.observation = after
        if changed:
            self._on_change(watched.key)

    def _keeps_warm(self, watched: _Watched) -> bool:
        others = len(self._warm) - (watched.key in self._warm)
        return self._is_active(watched) or others < self._most_warm

    def _drop(self, watched: _Watched) -> None:
        self._note_quiet(watched, gone=True)
        self._warm.discard(watched.key)
        for timer in (watched.timer, watched.stale):
            if timer is not None:
                timer.cancel()
        if watched.task is not None:
            watched.task.cancel()
        closing = asyncio.create_task(_close(watched))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _close(watched: _Watched) -> None:
    if watched.task is not None:
        await asyncio.wait((watched.task,))
    await watched.client.close()
