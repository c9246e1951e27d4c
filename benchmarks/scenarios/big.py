"""One cluster 0 -> 1,000 -> 0, and how that affects its neighbours."""

import asyncio
import itertools
import time
from collections.abc import Callable

from benchmarks.lab import Figures, Lab
from benchmarks.operator_process import OperatorProcess
from benchmarks.percentile import median
from benchmarks.raw_rate import raw_rate
from benchmarks.scenarios.losses import replace_worker
from benchmarks.waiting import TooLongError
from benchmarks.watch import Where

PROBE_EVERY = 0.3
"""Seconds between two probes of the neighbours."""
SECONDS = 300.0
NAMESPACE = "bench-big"


class Neighbours:
    """A cluster that loses workers, and new ones of two pods, while another is worked on."""

    def __init__(self, lab: Lab, running: OperatorProcess) -> None:
        self._lab = lab
        self._running = running
        self._numbers = itertools.count()
        self.old = Where(NAMESPACE, "neighbour")
        self.pods: list[float] = []
        self.replacements: list[float] = []

    async def probe_until(self, over: Callable[[], bool], what: str) -> None:
        """Probe repeatedly until it is over."""
        deadline = time.monotonic() + SECONDS
        while not over():
            if time.monotonic() > deadline:
                raise TooLongError(f"timed out after {SECONDS:.0f} s waiting for {what}")
            await asyncio.gather(self._new_cluster(), self._lost_worker())
            await asyncio.sleep(PROBE_EVERY)

    async def _new_cluster(self) -> None:
        where = Where(NAMESPACE, f"small-{next(self._numbers)}")
        (sighting,) = await self._lab.create([where], 1)
        await self._lab.until("a neighbour's 2 pods", lambda: len(sighting.added) >= 2, self._running)  # noqa: PLR2004 - as it says
        self.pods.append(sighting.all)

    async def _lost_worker(self) -> None:
        self.replacements.append(await replace_worker(self._lab, self.old, self._running))


async def one_big_cluster(lab: Lab) -> Figures:
    """Grow one cluster to its full size and back to none, while its neighbours are probed."""
    workers = lab.sizes.big_workers
    namespace = await lab.namespace(NAMESPACE)
    before = await raw_rate(lab, workers)
    async with lab.operator() as running:
        big, around = Where(namespace, "big"), Neighbours(lab, running)
        made = await lab.create([big], 0) + await lab.create([around.old], 2)
        await lab.until("the clusters to begin with", lambda: all(each.complete for each in made), running)
        await lab.settle()
        meter = lab.meter(running)
        (up,) = await lab.scale([big], workers, workers)
        await around.probe_until(lambda: len(up.added) >= workers, "all pods of the big cluster")
        probes_up = len(around.pods)
        spent = meter.cpu()
        await lab.until("the big cluster to be ready", lambda: up.complete, running, SECONDS)
        await lab.settle()
        asked = time.monotonic()
        await lab.scale([big], 0, 0)
        await around.probe_until(lambda: len(lab.watch.alive[big]) <= 1, "the big cluster's pods to be gone")
        down = lab.watch.last_gone[big] - asked
        figures = meter.figures(workers)
    await lab.clear(namespace)
    raw = (before + await raw_rate(lab, workers)) / 2
    return {
        "pods": workers,
        "wall_s": up.all,
        "pods_per_s": workers / up.all,
        "raw_pods_per_s": raw,
        "ratio_to_raw": workers / up.all / raw,
        "first_pod_s": up.first,
        "ready_s": (up.ready or 0) - up.asked,
        "down_s": down,
        "neighbour_probes_up": probes_up,
        "neighbour_probes": len(around.pods),
        "neighbour_pods_median_s": median(around.pods),
        "neighbour_pods_max_s": max(around.pods),
        "neighbour_replacement_median_s": median(around.replacements),
        "neighbour_replacement_max_s": max(around.replacements),
        "cpu_s_until_last_pod": spent,
        **figures,
    }
