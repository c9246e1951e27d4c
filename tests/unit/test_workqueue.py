"""The work queue's contract, one test per rule."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from rayfleet.engine.workqueue import AFTER_A_PASS, Done, Retry, WorkQueue
from rayfleet.kube.objects.keys import Key

A, B, C = Key("RayCluster", "ns", "a"), Key("RayCluster", "ns", "b"), Key("RayCluster", "ns", "c")
DEADLINE = 5.0


def queue(work: Callable[[Key], Awaitable[Done | Retry]], **changes: float) -> WorkQueue:
    settings = {"first_backoff": 0.01, "longest_backoff": 0.04} | changes
    return WorkQueue(work, concurrency=8, **settings)


async def idle(under_test: WorkQueue) -> None:
    """Wait until no key is being worked on."""
    async with asyncio.timeout(DEADLINE):
        while under_test.depth:
            await asyncio.sleep(0)


async def test_a_key_that_is_added_while_it_waits_is_worked_on_once() -> None:
    """Ten events before a worker is free make one pass."""
    seen: Counter[Key] = Counter()

    async def work(key: Key) -> Done:
        seen[key] += 1
        return Done()

    under_test = queue(work)
    for _ in range(10):
        under_test.add(A)
    under_test.start()
    await idle(under_test)
    assert seen == {A: 1}


async def test_a_key_that_is_added_during_its_pass_gets_exactly_one_further_pass() -> None:
    """That pass comes afterwards, never at the same time."""
    gate, running, most, passes = asyncio.Event(), 0, 0, 0

    async def work(_: Key) -> Done:
        nonlocal running, most, passes
        running, passes = running + 1, passes + 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    await asyncio.sleep(0)
    for _ in range(5):
        under_test.add(A)
    gate.set()
    await idle(under_test)
    assert (passes, most) == (2, 1)


async def test_a_slow_key_does_not_hold_up_another() -> None:
    """B is finished while A still hangs."""
    done, hang = asyncio.Event(), asyncio.Event()

    async def work(key: Key) -> Done:
        await hang.wait() if key == A else done.set()
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    under_test.add(B)
    async with asyncio.timeout(DEADLINE):
        await done.wait()
    hang.set()
    await idle(under_test)


async def test_a_failing_key_is_retried_with_growing_backoff_that_success_forgets() -> None:
    """It is 10, 20, 40, 80, 160, 160 ms, then, after a success, 10 ms again, even on a busy machine."""
    times: list[float] = []
    finished = asyncio.Event()

    async def work(_: Key) -> Done | Retry:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 7:
            return Done(requeue_after=0.0)
        if len(times) == 9:
            finished.set()
            return Done()
        return Retry("not yet")

    under_test = queue(work, longest_backoff=0.16)
    under_test.start()
    under_test.add(A)
    async with asyncio.timeout(DEADLINE):
        await finished.wait()
    waits = [later - earlier for earlier, later in pairwise(times)]
    for wait, least in zip(waits, [0.01, 0.02, 0.04, 0.08, 0.16, 0.16, 0.0, 0.01], strict=True):
        assert wait >= least - 0.001
    assert waits[7] < 0.16


async def test_an_exception_is_a_failure_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the key is tried again."""
    attempts = 0
    finished = asyncio.Event()

    async def work(_: Key) -> Done:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ZeroDivisionError
        finished.set()
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    async with asyncio.timeout(DEADLINE):
        await finished.wait()
    assert "ZeroDivisionError" in caplog.text


async def test_add_after_keeps_the_earlier_time() -> None:
    """A later time does not replace an earlier one, but an earlier one replaces a later one."""
    times: list[float] = []
    finished = asyncio.Event()

    async def work(_: Key) -> Done:
        times.append(asyncio.get_running_loop().time())
        finished.set()
        return Done()

    under_test = queue(work)
    under_test.start()
    started = asyncio.get_running_loop().time()
    under_test.add_after(A, 60)
    under_test.add_after(A, 0.02)
    under_test.add_after(A, 30)
    async with asyncio.timeout(DEADLINE):
        await finished.wait()
    assert 0.02 - 0.001 <= times[0] - started < DEADLINE


async def test_a_key_that_comes_due_during_its_pass_is_worked_on_after_it() -> None:
    began: list[float] = []
    first_ends, second_began = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work(_: Key) -> Done:
        began.append(loop.time())
        if len(began) == 1:
            await first_ends.wait()
        else:
            second_began.set()
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    async with asyncio.timeout(DEADLINE):
        while not began:
            await asyncio.sleep(0)
    under_test.add_after(A, 0.01)
    due = loop.time() + 0.01
    while loop.time() < due + 0.01:
        await asyncio.sleep(0.005)
    assert len(began) == 1
    first_ends.set()
    async with asyncio.timeout(DEADLINE):
        await second_began.wait()
    assert began[1] - due >= AFTER_A_PASS - 0.001


@pytest.mark.parametrize("delay", [0.0, 0.01])
@pytest.mark.parametrize(("at_its_end", "passes"), [(True, 1), (False, 2)])
async def test_an_event_that_a_pass_has_already_seen_causes_no_further_pass(
    delay: float, passes: int, *, at_its_end: bool
) -> None:
    """The pass reports what it has seen; later events cause another one."""
    began: list[Key] = []

    async def work(key: Key) -> Done:
        began.append(key)
        if len(began) == 1:
            if not at_its_end:
                under_test.forget_wakes(key)
            under_test.add_after(key, delay)
            assert under_test.is_woken(key)
            if at_its_end:
                under_test.forget_wakes(key)
                assert not under_test.is_woken(key)
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    async with asyncio.timeout(DEADLINE):
        while under_test.depth or under_test.is_woken(A) or len(began) < passes:
            await asyncio.sleep(0.001)
    assert (len(began), under_test.waiting) == (passes, 0)


async def test_stop_lets_work_finish_within_its_grace_and_cancels_the_rest() -> None:
    """A quick pass ends by itself; a hanging one is cancelled."""
    ended: list[str] = []

    async def work(key: Key) -> Done:
        try:
            await asyncio.sleep(0.01 if key == A else 3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("done")
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    under_test.add(B)
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE):
        await under_test.stop(grace=0.05)
    assert ended == ["done", "cancelled"]


async def test_a_retry_after_delays_the_next_attempt() -> None:
    """A pass that failed on a Retry-After is not repeated sooner."""
    times: list[float] = []
    finished = asyncio.Event()

    async def work(_: Key) -> Done | Retry:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            return Retry("too many requests", at_most=0.01, at_least=0.2)
        finished.set()
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    async with asyncio.timeout(DEADLINE):
        await finished.wait()
    assert times[1] - times[0] >= 0.199


async def test_a_paused_queue_keeps_every_key_until_it_is_started_again() -> None:
    """It keeps waiting keys, delayed keys, and those that were being worked on."""
    looked: list[Key] = []
    entered, leave = asyncio.Event(), asyncio.Event()

    async def work(key: Key) -> Done | Retry:
        looked.append(key)
        if key == A and looked.count(A) == 1:
            entered.set()
            await leave.wait()
        return Done()

    under_test = queue(work)
    under_test.start()
    under_test.add(A)
    under_test.add_after(B, 60)
    async with asyncio.timeout(DEADLINE):
        await entered.wait()
        under_test.pause()
        under_test.add(C)
        leave.set()
        while under_test.depth > 3:  # A has ended; three keys are kept.
            await asyncio.sleep(0)
        assert looked == [A]
        under_test.start()
        while sorted(looked) != [A, A, B, C]:
            await asyncio.sleep(0)


@pytest.mark.parametrize(("at_most", "begun"), [(float("inf"), 3), (1, 2), (0, 1)])
async def test_a_pass_that_waits_may_leave_its_place_but_only_a_bounded_number_at_once(
    at_most: float, begun: int
) -> None:
    """The snapshot of a pass stays in memory until its end, with or without a place."""
    gate, seen = asyncio.Event(), 0

    async def work(key: Key) -> Done:
        nonlocal seen
        seen += 1
        under_test.make_room(key, at_most=at_most)
        await gate.wait()
        return Done()

    under_test = WorkQueue(work, concurrency=1, first_backoff=0.01, longest_backoff=0.04)
    under_test.start()
    for key in (A, B, C):
        under_test.add(key)
    for _ in range(10):
        await asyncio.sleep(0)
    assert seen == begun
    gate.set()
    await idle(under_test)
    assert seen == 3
