"""The work queue: keys that need a pass, one worker per key, however many events added the key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import inf

from msgspec import Struct

from rayfleet.kube.objects.keys import Key

log = logging.getLogger(__name__)

AFTER_A_PASS = 0.5
"""Seconds after a pass over a key at which a look that came due during the pass is made."""


class Done(Struct, frozen=True):
    """A pass succeeded. The next is after `requeue_after` seconds, or only when something happens."""

    requeue_after: float | None = None


class Retry(Struct, frozen=True):
    """A pass has to be repeated, after the key's backoff, from `at_least` to `at_most` seconds."""

    reason: str
    at_most: float | None = None
    at_least: float = 0.0


Work = Callable[[Key], Awaitable[Done | Retry]]


class WorkQueue:
    """Level-triggered and keyed.

    - A key added while it waits gets one pass; a key added during its pass gets one more afterwards.
    - Never two workers on one key; a slow key never holds up another, nor does one that has made room.
    - `add_after` keeps the earlier of two times. What comes due during a pass is put off until after it.
    - A pass that starts answers whatever came before; so does one that says so at its end (`forget_wakes`).
    - A key that fails is retried with its own exponential backoff; success resets it. An exception is a
      failure like any other, with its traceback in the log.
    """

    def __init__(self, work: Work, *, concurrency: int, first_backoff: float, longest_backoff: float) -> None:
        self._work = work
        self._places = asyncio.Semaphore(concurrency)
        self._placed: set[Key] = set()
        self._first_backoff = first_backoff
        self._longest_backoff = longest_backoff
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._held: set[Key] | None = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._overdue: set[Key] = set()
        """Keys whose time came during their pass, which may already see what they are due for."""
        self._failures: dict[Key, int] = {}
        self._reasons: dict[Key, str] = {}
        self._waiting: dict[Key, float] = {}
        """Loop time since when each waits; the longest wait first. `_started` is ordered likewise."""
        self._started: dict[Key, float] = {}
        self.retries = 0
        """Passes that had to be repeated."""

    def start(self) -> None:
        """Begin to work, also on the keys added before now."""
        held, self._held = self._held or set(), None
        for key in sorted(held):
            self.add(key)

    def add(self, key: Key) -> None:
        """Make a pass over `key` as soon as possible."""
        self._forget_timer(key)
        if self._held is not None:
            self._held.add(key)
            return
        self._waiting.setdefault(key, asyncio.get_running_loop().time())
        if key in self._running:
            self._again.add(key)
        else:
            self._running[key] = asyncio.create_task(self._run(key), name=f"reconcile {key}")

    def add_after(self, key: Key, seconds: float) -> None:
        """Make a pass over `key` in `seconds`, or earlier if one is already due earlier."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._come_due, key)

    def _come_due(self, key: Key) -> None:
        """Add `key` now, or soon after the pass in progress."""
        if key in self._started:
            del self._timers[key]
            self._overdue.add(key)
        else:
            self.add(key)

    def is_woken(self, key: Key) -> bool:
        """Whether a key that is being worked on has been added since its pass began, at once or for later."""
        return key in self._again or key in self._timers or key in self._overdue

    def forget_wakes(self, key: Key) -> None:
        """Make no further pass over `key` for what has woken it by now: its pass has observed all of it."""
        self._again.discard(key)
        self._waiting.pop(key, None)
        self._forget_timer(key)

    def _forget_timer(self, key: Key) -> None:
        self._overdue.discard(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def make_room(self, key: Key, *, at_most: float = inf) -> None:
        """Give the place of `key` to another key: what is left of its pass must not hold up others.

        It has no effect while `at_most` others have made room and not finished: each holds what its pass has
        seen.
        """
        if key in self._placed and len(self._started) - len(self._placed) < at_most:
            self._placed.remove(key)
            self._places.release()

    def pause(self) -> None:
        """Begin no pass until `start`; every key that waits or is being worked on is kept for then."""
        if self._held is not None:
            return
        self._held = {*self._running, *self._timers}
        self._waiting.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    @property
    def depth(self) -> int:
        """Keys that wait or are being worked on."""
        return len(self._running) + len(self._held or ())

    @property
    def waiting(self) -> int:
        """Keys that wait for a pass; not those that are put off, and none before `start`."""
        return len(self._waiting)

    @property
    def oldest_wait(self) -> float:
        """Seconds that the first waiting key has waited; 0 if none waits."""
        return _age(self._waiting)

    @property
    def active(self) -> int:
        """Keys that are being worked on."""
        return len(self._started)

    @property
    def longest_run(self) -> float:
        """Seconds that the longest pass in progress has taken; 0 if there is none."""
        return _age(self._started)

    @property
    def failing(self) -> int:
        """Keys whose last pass has to be repeated."""
        return len(self._failures)

    async def stop(self, grace: float) -> None:
        """Begin no pass; give those in progress `grace` seconds, then cancel them."""
        self._held = set()
        self._again.clear()
        self._waiting.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks = list(self._running.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, key: Key) -> None:
        try:
            await self._places.acquire()
            self._placed.add(key)
            self.forget_wakes(key)
            self._started[key] = asyncio.get_running_loop().time()
            result = await self._attempt(key) if self._held is None else None
        finally:
            self.make_room(key)
            del self._running[key]
            self._started.pop(key, None)
        if result is None:  # Paused meanwhile, or started again since, with this key queued.
            if key in self._again:
                self.add(key)
            return
        if key in self._overdue:
            self._overdue.discard(key)
            self.add_after(key, AFTER_A_PASS)
        if key in self._again:
            self._again.discard(key)
            self._note(key, result)
            self.add(key)
        elif isinstance(result, Retry):
            self.add_after(key, self._note(key, result))
        else:
            self._note(key, result)
            if result.requeue_after is not None:
                self.add_after(key, result.requeue_after)

    async def _attempt(self, key: Key) -> Done | Retry:
        try:
            return await self._work(key)
        except Exception:
            log.exception("A pass failed", extra={"cluster": str(key)})
            return Retry("unexpected error")

    def _note(self, key: Key, result: Done | Retry) -> float:
        """Count the consecutive failures of `key`; return the resulting backoff in seconds."""
        if isinstance(result, Done):
            self._failures.pop(key, None)
            self._reasons.pop(key, None)
            return 0.0
        if self._reasons.get(key) != result.reason:
            self._reasons[key] = result.reason
            log.warning("A pass has to be repeated", extra={"cluster": str(key), "reason": result.reason})
        self.retries += 1
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = self._longest_backoff if result.at_most is None else result.at_most
        backoff = min(self._first_backoff * 2 ** min(failures - 1, 30), longest)
        return float(max(backoff, result.at_least))


def _age(since: dict[Key, float]) -> float:
    oldest = next(iter(since.values()), None)
    return 0.0 if oldest is None else asyncio.get_running_loop().time() - oldest
