"""Many pods at once: clusters that are created together, and clusters that grow together."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.lab import Figures, Lab
from benchmarks.percentile import percentile
from benchmarks.raw_rate import raw_rate
from benchmarks.watch import Sighting, Where

SECONDS = 300.0


@dataclass(frozen=True)
class Wave:
    """What is done at once to how many clusters, and how many pods result."""

    clusters: list[Where]
    pods: int
    act: Callable[[], Awaitable[list[Sighting]]]
    begins_with_heads: bool = False


async def create_clusters(lab: Lab) -> Figures:
    """Clusters of a head and some workers, all at once."""
    namespace, workers = await lab.namespace("bench-create"), lab.sizes.create_workers
    where = [Where(namespace, f"c{number}") for number in range(lab.sizes.create_clusters)]
    return await _measured(lab, Wave(where, len(where) * (1 + workers), lambda: lab.create(where, workers)))


async def grow_clusters(lab: Lab) -> Figures:
    """Clusters that have only a head get all their workers at once."""
    namespace, workers = await lab.namespace("bench-grow"), lab.sizes.grow_workers
    where = [Where(namespace, f"g{number}") for number in range(lab.sizes.grow_clusters)]
    wave = Wave(where, len(where) * workers, lambda: lab.scale(where, workers, workers), True)
    return await _measured(lab, wave)


async def _measured(lab: Lab, wave: Wave) -> Figures:
    before = await raw_rate(lab, wave.pods)
    async with lab.operator() as running:
        if wave.begins_with_heads:
            heads = await lab.create(wave.clusters, 0)
            await lab.until("the heads", lambda: all(each.complete for each in heads), running)
        await lab.settle()
        meter, begun = lab.meter(running), time.monotonic()
        seen = await wave.act()
        posted = time.monotonic() - begun
        await lab.until("all pods", lambda: all(len(s.added) >= s.pods for s in seen), running, SECONDS)
        until_last_pod = meter.cpu()
        await lab.until("all to be ready", lambda: all(s.complete for s in seen), running, SECONDS)
        await lab.settle()
        writes, used = meter.mutating(), meter.figures(wave.pods)
    await lab.clear(wave.clusters[0].namespace)
    raw = (before + await raw_rate(lab, wave.pods)) / 2
    wall = max(each.asked + each.all for each in seen) - begun
    return {
        "pods": wave.pods,
        "wall_s": wall,
        "posted_s": posted,
        "pods_per_s": wave.pods / wall,
        "raw_pods_per_s": raw,
        "raw_before_pods_per_s": before,
        "ratio_to_raw": wave.pods / wall / raw,
        **_latencies(seen),
        "ready_wall_s": max(each.ready or begun for each in seen) - begun,
        "mutating_calls_per_cluster": writes / len(wave.clusters),
        "cpu_s_until_last_pod": until_last_pod,
        **used,
    }


def _latencies(seen: list[Sighting]) -> Figures:
    measured = {
        "first_pod": [each.first for each in seen],
        "all_pods": [each.all for each in seen],
        "ready": [(each.ready or each.asked) - each.asked for each in seen],
    }
    return {
        f"{name}_p{percent}_s": percentile(values, percent)
        for name, values in measured.items()
        for percent in (50, 99)
    }
