"""Polls the jobs of all clusters that have any: one request to a head serves all who ask for its jobs.

A slow, dead or hostile head costs the others nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from rayfleet.kube.client.calls import DashboardCalls
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.dashboard.client import CALL_SECONDS, JobsClient
from rayfleet.ray.dashboard.jobs import JobAnswer
from rayfleet.ray.dashboard.observation import JobsSeen, brief, room_for
from rayfleet.ray.dashboard.schedule import ACTIVE_SECONDS
from rayfleet.ray.dashboard.session import DashboardSession
from rayfleet.ray.dashboard.slots import Slots
from rayfleet.ray.dashboard.watched import JobsWatch, WatchedHead
from rayfleet.ray.polling.observation import Moment
from rayfleet.ray.polling.poller import PollClock, Target
from rayfleet.ray.polling.room import AnswerRoom
from rayfleet.ray.polling.schedule import first_wait, jittered

log = logging.getLogger(__name__)

MOST_KEPT: Final = 16 << 20
"""Bytes of all long messages: those of a thousand failed jobs. Of what is beyond, the start is kept."""
POLLS: Final = 256
POLLS_OF_ONE: Final = 64
"""Heads that are asked at a time, in all and in one namespace."""


class JobsPoller:
    """Polls the jobs that are watched. `on_change` is called with a watcher's key when a decision may change.

    - A key watches any number of jobs on one head. Keys of one namespace that name the same cluster share
      its polls.
    - `on_change` is called when a job's status, end or driver changes, when Ray comes to know it or forgets
      it, and when a head stops answering or answers again; not for messages.
    - Only jobs that are watched are kept, and no more of their messages than all together may take.
    """

    def __init__(
        self,
        on_change: Callable[[Key], None],
        *,
        session: DashboardSession | None = None,
        seconds: float = CALL_SECONDS,
        clockwork: PollClock | None = None,
        room: AnswerRoom | None = None,
        calls: DashboardCalls | None = None,
    ) -> None:
        self._on_change = on_change
        self.calls = calls if calls is not None else DashboardCalls()
        self._session = DashboardSession() if session is None else session
        self._shares = session is not None
        self._seconds = seconds
        self._clockwork = clockwork if clockwork is not None else PollClock()
        self._room = room if room is not None else AnswerRoom(MOST_KEPT)
        self._slots = Slots(POLLS, POLLS_OF_ONE)
        self._heads: dict[tuple[str, str], WatchedHead] = {}
        """By namespace and uid of the cluster."""
        self._by_key: dict[Key, WatchedHead] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def watch(self, key: Key, target: Target, ids: Collection[str], *, active: bool) -> None:
        """Ask for these jobs at `target` from now on, each second while `active`. Cheap if nothing changed.

        `ids` are submission ids. Another target or other ids take the place of those given before.
        """
        head = self._by_key.get(key)
        if head is not None and head.target.uid != target.uid:
            self.forget(key)
            head = None
        before = None if head is None else head.watches[key]
        watch = JobsWatch(target, frozenset(ids), active)
        if watch == before:
            return
        if head is None:
            head = self._head(key.namespace, target)
        # Of several keys that name different addresses, the one that has just learnt of a new one is right.
        if head.target != target and (before is None or before.target != target):
            self._move(head, target)
        head.watches[key] = watch
        self._by_key[key] = head
        self._drop_jobs(head)
        if not watch.ids <= head.jobs.keys():
            self._hasten(head, 0.0)
        elif active and (before is None or not before.active):
            self._hasten(head, self._jittered(ACTIVE_SECONDS))

    def poke(self, key: Key) -> None:
        """Ask at once, as something has happened to the cluster."""
        head = self._by_key.get(key)
        if head is None:
            return
        if head.task is not None:
            head.again = True
        else:
            self._hasten(head, head.shortest - (self._clockwork.monotonic() - head.asked))

    def observation(self, key: Key) -> JobsSeen | None:
        """What is known of the jobs that `key` watches; None if it watches none."""
        head = self._by_key.get(key)
        if head is None:
            return None
        ids = head.watches[key].ids
        return JobsSeen(head.target.uid, {each: head.jobs[each] for each in ids if each in head.jobs})

    def client(self, key: Key) -> JobsClient | None:
        """A client for other calls to the same head. Do not close or keep it."""
        head = self._by_key.get(key)
        return None if head is None else head.client

    def forget(self, key: Key) -> None:
        """Ask no more for `key`."""
        head = self._by_key.pop(key, None)
        if head is None:
            return
        del head.watches[key]
        self._drop_jobs(head)
        if not head.watches:
            del self._heads[head.namespace, head.target.uid]
            self._rest(head)

    def forget_all(self) -> None:
        """Stop polling."""
        for key in list(self._by_key):
            self.forget(key)

    async def close(self) -> None:
        """Stop polling, and close every connection."""
        self.forget_all()
        while self._ending:
            await asyncio.wait(self._ending)
        if not self._shares:
            await self._session.close()

    def _head(self, namespace: str, target: Target) -> WatchedHead:
        """The head of a cluster; polled soon if it is new."""
        place = (namespace, target.uid)
        if (head := self._heads.get(place)) is None:
            now = self._clockwork.monotonic()
            head = self._heads[place] = WatchedHead(namespace, target, self._client(namespace, target), now)
            self._ask_after(head, first_wait(len(self._heads), self._clockwork.jitter()))
        return head

    def _client(self, namespace: str, target: Target) -> JobsClient:
        return JobsClient(
            target.address,
            target.token,
            session=self._session,
            seconds=self._seconds,
            namespace=namespace,
            calls=self.calls,
        )

    def _move(self, head: WatchedHead, target: Target) -> None:
        """Poll a head at its new address, at once. An answer that is under way does not count any more."""
        self._rest(head)
        head.move(target, self._client(head.namespace, target))
        self._ask_after(head, 0.0)

    def _hasten(self, head: WatchedHead, seconds: float) -> None:
        if head.task is None and self._clockwork.monotonic() + seconds < head.due:
            self._ask_after(head, max(seconds, 0.0))
        elif head.task is not None and seconds == 0:
            head.again = True

    def _ask_after(self, head: WatchedHead, seconds: float) -> None:
        if head.timer is not None:
            head.timer.cancel()
        head.due = self._clockwork.monotonic() + seconds
        head.timer = asyncio.get_running_loop().call_later(seconds, self._ask, head)

    def _ask(self, head: WatchedHead) -> None:
        head.timer = None
        head.again = False
        head.task = asyncio.create_task(self._poll(head))

    async def _poll(self, head: WatchedHead) -> None:
        try:
            async with self._slots.one(head.namespace):
                head.asked = self._clockwork.monotonic()
                ids = head.ids
                answers = (
                    await head.questions.answers(head.client, ids, self._clockwork.monotonic) if ids else {}
                )
            self._learn(head, answers)
        except Exception:
            log.exception("Bug while polling the jobs of a Ray head", extra={"cluster": head.target.uid})
        finally:
            if head.task is asyncio.current_task():
                head.task = None
                wait = self._jittered(head.wait(self._clockwork.monotonic(), len(self._heads)))
                self._ask_after(head, min(wait, head.shortest) if head.again else wait)

    def _learn(self, head: WatchedHead, answers: Mapping[str, JobAnswer]) -> None:
        clock = self._clockwork
        changed = head.learn(answers, Moment(clock.unix(), clock.monotonic()))
        for each in answers.keys() & head.jobs.keys():
            self._make_room(head, each)
        for key in [key for key, watch in head.watches.items() if not watch.ids.isdisjoint(changed)]:
            self._on_change(key)

    def _make_room(self, head: WatchedHead, job: str) -> None:
        """Keep the message of a job, or only its start, or only that of another job."""
        answer = head.jobs[job].answer
        size = 0 if answer is None else room_for(answer)
        for place, _ in self._room.keep(_place(head, job), size):
            other = self._heads.get((place.namespace, place.name))
            if other is not None and place.kind in other.jobs:
                other.jobs[place.kind] = brief(other.jobs[place.kind])

    def _drop_jobs(self, head: WatchedHead) -> None:
        """Drop what is known of jobs that nobody asks for any more."""
        for each in head.jobs.keys() - head.ids:
            del head.jobs[each]
            self._room.forget(_place(head, each))

    def _rest(self, head: WatchedHead) -> None:
        """Stop asking a head."""
        if head.timer is not None:
            head.timer.cancel()
            head.timer = None
        task, head.task = head.task, None
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _jittered(self, seconds: float) -> float:
        return jittered(seconds, self._clockwork.jitter())


def _place(head: WatchedHead, job: str) -> Key:
    """A job's message in the room for all messages."""
    return Key(job, head.namespace, head.target.uid)
