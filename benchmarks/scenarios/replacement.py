"""A worker pod is deleted and its replacement created: alone, and among many quiet clusters."""

import asyncio
from collections.abc import Sequence

from benchmarks.lab import Figures, Lab
from benchmarks.operator_process import OperatorProcess
from benchmarks.percentile import median, percentile
from benchmarks.scenarios.fleet import ensure_fleet
from benchmarks.scenarios.losses import replace_worker
from benchmarks.watch import Where

MS = 1000
LAST_STATUS = 3.0
"""Seconds in which the last counts get into the status: none is left for the next operator to write."""
PAUSE = 0.3
"""Seconds after a replacement until the next loss: the pod has become ready and the status is written."""


async def replace_quiet(lab: Lab) -> Figures:
    """The only cluster loses a worker repeatedly."""
    where = Where(await lab.namespace("bench-replace"), "only")
    async with lab.operator() as running:
        made = await lab.create([where], 4)
        await lab.until("the cluster", lambda: made[0].complete, running)
        figures = await _replacements(lab, where, running)
    await lab.clear(where.namespace)
    return figures


async def replace_among_many(lab: Lab) -> Figures:
    """One of many clusters loses a worker repeatedly, after others have lost their first."""
    fleet = await ensure_fleet(lab)
    async with lab.operator() as running:
        # An operator may look closer before its first write to a cluster: reported, but not judged.
        others = fleet[1 :: max(1, len(fleet) // lab.sizes.replacements)][: lab.sizes.replacements]
        first = await _lose(lab, others, running)
        figures = await _replacements(lab, fleet[0], running)
    return {"first_of_a_cluster_median_ms": median(first) * MS, **figures}


async def _lose(lab: Lab, chosen: Sequence[Where], running: OperatorProcess) -> list[float]:
    took = []
    for where in chosen:
        took.append(await replace_worker(lab, where, running))
        await asyncio.sleep(PAUSE)
    await asyncio.sleep(LAST_STATUS)
    return took


async def _replacements(lab: Lab, where: Where, running: OperatorProcess) -> Figures:
    await lab.settle()
    meter = lab.meter(running)
    took = await _lose(lab, [where] * lab.sizes.replacements, running)
    return {
        "replacements": len(took),
        "median_ms": median(took) * MS,
        "p99_ms": percentile(took, 99) * MS,
        "min_ms": min(took) * MS,
        **meter.figures(len(took)),
    }
