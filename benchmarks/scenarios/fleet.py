"""A thousand clusters at rest: their memory, a restart, and the load at rest."""

import asyncio
import time

from benchmarks.audit import mutating
from benchmarks.lab import Figures, Lab
from benchmarks.meter import MIB, MS
from benchmarks.operator_process import KIB, OperatorProcess
from benchmarks.rest import last_work
from benchmarks.scenarios.losses import replace_worker
from benchmarks.sizes import FLEET_WORKERS
from benchmarks.watch import Where

NAMESPACE = "bench-fleet"
SECONDS = 600.0
ALIVE_WITHIN = 1.0


async def ensure_fleet(lab: Lab) -> list[Where]:
    """The clusters, created first if missing."""
    fleet = [Where(NAMESPACE, f"f{number}") for number in range(lab.sizes.fleet)]
    if not all(lab.watch.alive.get(where) for where in fleet):
        async with lab.operator() as running:
            await _create(lab, fleet, running)
    return fleet


async def _create(lab: Lab, fleet: list[Where], running: OperatorProcess) -> None:
    lab.say(f"    creating {len(fleet)} clusters that stay")
    await lab.namespace(NAMESPACE)
    made = await lab.create(fleet, FLEET_WORKERS)
    await lab.until("the fleet", lambda: all(each.complete for each in made), running, SECONDS)
    await lab.settle()


async def memory(lab: Lab) -> Figures:
    """How much the operator has grown once it has created the fleet and everything is quiet again."""
    await lab.clear(await lab.namespace(NAMESPACE))
    fleet = [Where(NAMESPACE, f"f{number}") for number in range(lab.sizes.fleet)]
    async with lab.operator() as running:
        await lab.settle()
        idle = running.rss()
        running.forget_peak()
        await _create(lab, fleet, running)
        await asyncio.sleep(lab.sizes.steady_after)
        steady, peak = running.rss(), running.peak_rss()
    return {
        "clusters": len(fleet),
        "idle_rss_mib": idle / MIB,
        "steady_rss_mib": steady / MIB,
        "peak_rss_mib": peak / MIB,
        "kib_per_cluster": (steady - idle) / KIB / len(fleet),
    }


async def restart(lab: Lab) -> Figures:
    """Start with the whole fleet; settled when it has stopped working and reacts to a lost worker."""
    fleet = await ensure_fleet(lab)
    await lab.settle()
    lab.audit.mark()
    begun = time.monotonic()
    running = lab.start_operator()
    try:
        settled = await last_work(running, begun, within=SECONDS)
        calls, peak = lab.audit.calls(), running.peak_rss()
        asked = time.monotonic()
        answered = await replace_worker(lab, fleet[0], running)
        if answered > ALIVE_WITHIN:
            settled = asked + answered - begun
        await asyncio.sleep(lab.sizes.steady_after)
        steady = running.rss()
        cpu = running.cpu()
    finally:
        await running.stop()
    return {
        "clusters": len(fleet),
        "settled_s": settled,
        "writes": mutating(calls),
        "peak_rss_mib": peak / MIB,
        "steady_rss_mib": steady / MIB,
        "peak_to_steady": peak / steady,
        "first_replacement_ms": answered * MS,
        "cpu_s": cpu,
        "calls": dict(calls.most_common()),
    }


async def quiet(lab: Lab) -> Figures:
    """Nothing happens to the fleet."""
    fleet = await ensure_fleet(lab)
    async with lab.operator() as running:
        await lab.settle()
        await asyncio.sleep(lab.sizes.steady_after)
        lab.audit.mark()
        used, begun = running.cpu(), time.monotonic()
        await asyncio.sleep(lab.sizes.quiet_seconds)
        seconds = time.monotonic() - begun
        percent = 100 * (running.cpu() - used) / seconds
        calls, rss = lab.audit.calls(), running.rss()
    return {
        "clusters": len(fleet),
        "seconds": seconds,
        "writes": mutating(calls),
        "core_percent": percent,
        "rss_mib": rss / MIB,
        "calls": dict(calls.most_common()),
    }
