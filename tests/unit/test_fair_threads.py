"""Long work runs in threads, and no namespace waits for all the work of another."""

import asyncio
import threading
from functools import partial
from random import Random

import pytest

from rayfleet.fair_threads import FairThreads, GaveWay, Turns


def test_namespaces_take_turns_however_much_work_one_has() -> None:
    turns = Turns[str](100)
    for n in range(4):
        turns.put("a", f"a{n}")
    turns.put("b", "b0")
    turns.put("c", "c0")
    turns.put("b", "b1")
    order = [what for _ in range(7) for _, what in [turns.take() or ("", "")]]
    assert order == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]
    assert turns.take() is None


def test_a_busy_namespace_is_skipped() -> None:
    turns = Turns[str](100)
    turns.put("a", "a0")
    turns.put("b", "b0")
    assert turns.take({"a"}) == ("b", "b0")
    assert turns.take({"a"}) is None
    assert turns.take() == ("a", "a0")


def test_the_namespace_with_the_most_waiting_work_loses_some() -> None:
    """It loses its largest piece, and the last of equal ones."""
    turns = Turns[str](100)
    assert not turns.put("a", "a0", 40)
    assert not turns.put("a", "a1", 40)
    assert turns.put("b", "b0", 40) == ["a1"]
    assert turns.put("c", "c0", 101) == ["c0"]
    assert turns.take() == ("a", "a0")
    assert not turns.put("b", "b1", 60)


@pytest.mark.parametrize("seed", range(3))
def test_a_namespace_within_its_fair_share_never_loses_work(seed: int) -> None:
    """One of six namespaces has three pieces of 30, within 600."""
    random, turns = Random(seed), Turns[str](600)  # noqa: S311 - drawn, not secret
    waits = 0
    for _ in range(400):
        name = random.choice(["a", "b", "c", "d", "e", *["honest"] * (waits < 3)])
        honest = name == "honest"
        waits += honest
        assert "honest" not in turns.put(name, name, 30 if honest else random.randint(1, 300))
        if random.random() < 0.5 and (taken := turns.take()) is not None:
            waits -= taken[0] == "honest"


async def test_one_tenants_long_work_does_not_hold_up_anothers() -> None:
    """Two pieces of it would otherwise take both threads."""
    threads, go_on = FairThreads(), threading.Event()
    try:
        slow = [asyncio.create_task(threads.run("a", partial(go_on.wait, 10))) for _ in range(3)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(threads.run("b", lambda: 7), 5) == 7
        assert not any(task.done() for task in slow)
        go_on.set()
        assert await asyncio.gather(*slow) == [True] * 3
    finally:
        go_on.set()
        threads.close()


async def test_a_cancelled_waiter_passes_its_turn_to_the_next() -> None:
    threads, go_on = FairThreads(threads=1), threading.Event()
    try:
        running, waiting = (asyncio.create_task(threads.run("a", partial(go_on.wait, 10))) for _ in range(2))
        await asyncio.sleep(0)
        for task in (running, waiting):
            task.cancel()
        await asyncio.wait({running, waiting})
        last = asyncio.create_task(threads.run("a", lambda: 7))
        await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.wait_for(last, 5) == 7
    finally:
        go_on.set()
        threads.close()


async def test_work_beyond_the_bound_is_refused_and_failures_are_raised() -> None:
    threads, go_on = FairThreads(threads=1, most_waiting=10), threading.Event()
    try:
        first = asyncio.create_task(threads.run("a", partial(go_on.wait, 10), 10))
        await asyncio.sleep(0)
        second = asyncio.create_task(threads.run("a", lambda: 1, 6))
        await asyncio.sleep(0)
        with pytest.raises(GaveWay):
            await threads.run("a", lambda: 2, 6)
        go_on.set()
        assert (await first, await second) == (True, 1)
        with pytest.raises(ZeroDivisionError):
            await threads.run("a", lambda: 1 // 0)
        assert await threads.run("a", lambda: 3) == 3
    finally:
        go_on.set()
        threads.close()
