"""Writes take turns between clusters."""

import asyncio

import pytest

from rayfleet.engine.gate import FairGate
from rayfleet.kube.objects.keys import Key

BIG, SMALL = Key("RayCluster", "ns", "big"), Key("RayCluster", "ns", "small")


async def test_a_small_cluster_does_not_wait_for_a_big_one() -> None:
    """With 100 writes of one cluster waiting, another's two go out among the first."""
    gate, order = FairGate(2), []

    async def write(key: Key) -> None:
        async with gate.turn(key):
            order.append(key)
            await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(*(write(BIG) for _ in range(100)), *(write(SMALL) for _ in range(2)))
    assert [index for index, key in enumerate(order) if key == SMALL][-1] < 8


async def test_no_more_writes_than_the_limit_run_at_once() -> None:
    """The number of waiting writes does not matter."""
    gate, inside, most = FairGate(3), 0, 0

    async def write(key: Key) -> None:
        nonlocal inside, most
        async with gate.turn(key):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(write(Key("RayCluster", "ns", str(n % 7))) for n in range(50)))
    assert (most, inside) == (3, 0)


@pytest.mark.parametrize("granted", [False, True], ids=["while it waits", "as its turn comes"])
async def test_a_cancelled_waiter_loses_no_turn(granted: bool) -> None:  # noqa: FBT001 - a table's column
    """Its place goes to the next, even if it had just got one."""
    gate = FairGate(1)
    first = gate.turn(BIG)
    await first.__aenter__()

    async def write() -> str:
        async with gate.turn(SMALL):
            return "written"

    cancelled, following = asyncio.create_task(write()), asyncio.create_task(write())
    await asyncio.sleep(0)
    if granted:
        await first.__aexit__(None, None, None)
    cancelled.cancel()
    if not granted:
        await first.__aexit__(None, None, None)
    async with asyncio.timeout(5):
        assert await following == "written"
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_write_that_yields_goes_after_the_others_and_is_not_starved() -> None:
    """It gets one in sixteen turns of a full gate."""
    gate, order = FairGate(1), list[str]()

    async def write(name: str, *, yields: bool) -> None:
        async with gate.turn(BIG, yields=yields):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.timeout(5), gate.turn(SMALL):
        waiting = [asyncio.create_task(write("report", yields=True)) for _ in range(4)]
        waiting += [asyncio.create_task(write("pod", yields=False)) for _ in range(48)]
        await asyncio.sleep(0)
        assert gate.crowded
    await asyncio.gather(*waiting)
    assert order[:16].count("report") == 1
    assert order[:48].count("report") == 3
    assert order[-1] == "report"
    assert not gate.crowded


async def test_a_write_that_yields_waits_for_writes_in_preparation() -> None:
    """Only while others write: a pass whose reads hang must not hold back every report."""
    gate, order = FairGate(2), list[str]()

    async def report() -> None:
        async with gate.turn(SMALL, yields=True):
            order.append("report")

    async with asyncio.timeout(5):
        with gate.coming():
            await report()
            async with gate.turn(BIG) as waited:
                assert not waited
                reporting = asyncio.create_task(report())
                await asyncio.sleep(0)
                assert gate.crowded
                assert order == ["report"]
                async with gate.turn(BIG):
                    order.append("pod")
            await reporting
        assert order == ["report", "pod", "report"]
        async with gate.turn(BIG):
            with gate.coming():
                reporting = asyncio.create_task(report())
                await asyncio.sleep(0)
                assert len(order) == 3
            await reporting


async def test_one_cluster_leaves_places_to_newcomers() -> None:
    """However many writes it has: others wait for those that are already with the API server."""
    gate, inside = FairGate(4, per_cluster=2), list[Key]()
    done = asyncio.Event()

    async def write(key: Key) -> None:
        async with gate.turn(key):
            inside.append(key)
            await done.wait()

    writes = [asyncio.create_task(write(BIG)) for _ in range(10)]
    await asyncio.sleep(0)
    writes.append(asyncio.create_task(write(SMALL)))
    async with asyncio.timeout(5):
        while SMALL not in inside:
            await asyncio.sleep(0)
        assert inside == [BIG, BIG, SMALL]
        done.set()
        await asyncio.gather(*writes)
