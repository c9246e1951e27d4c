"""The same thousand clusters, following queues in which nothing waits: what asking their heads costs."""

import asyncio
import time
from collections import defaultdict
from typing import Any

from benchmarks.audit import mutating
from benchmarks.client import MERGE_PATCH, spread
from benchmarks.clusters import collection, group, pods
from benchmarks.lab import Figures, Lab
from benchmarks.meter import MIB
from benchmarks.operator_process import OperatorProcess
from benchmarks.queue_heads import HeadsProcess
from benchmarks.scenarios.fleet import NAMESPACE, ensure_fleet
from benchmarks.sizes import FLEET_WORKERS
from benchmarks.watch import CLUSTER_LABEL, TYPE_LABEL
from testbed.errors import TestbedError

PORT = 6379
AT_REST = 5.0
"""Seconds without a write, which show that all clusters now follow a queue."""
SECONDS = 180.0


async def follow_empty_queues(lab: Lab) -> Figures:
    """Each cluster's head is polled repeatedly, and always reports that everything is idle."""
    fleet = await ensure_fleet(lab)
    heads = HeadsProcess(await _give_addresses(lab), lab.bed.folder)
    try:
        await lab.until("the heads to listen", lambda: heads.asked() is not None)
        elastic = {"enableInTreeAutoscaling": True, "workerGroupSpecs": [_steady_group()]}

        async def scale_with_queue(name: str) -> None:
            path = f"{collection(NAMESPACE)}/{name}"
            await lab.client.call("PATCH", path, {"spec": elastic}, content_type=MERGE_PATCH)

        await spread([where.name for where in fleet], scale_with_queue)
        async with lab.operator() as running:
            await _rest(lab, running)
            return {"clusters": len(fleet), **await _measure(lab, running, heads)}
    finally:
        heads.stop()


async def _measure(lab: Lab, running: OperatorProcess, heads: HeadsProcess) -> Figures:
    lab.audit.mark()
    used, asked, begun = running.cpu(), heads.asked() or 0, time.monotonic()
    await asyncio.sleep(lab.sizes.queue_seconds)
    seconds = time.monotonic() - begun
    calls = lab.audit.calls()
    return {
        "seconds": seconds,
        "core_percent": 100 * (running.cpu() - used) / seconds,
        "rss_mib": running.rss() / MIB,
        "questions_per_s": ((heads.asked() or 0) - asked) / seconds,
        "writes": mutating(calls),
        "calls": dict(calls.most_common()),
    }


async def _rest(lab: Lab, running: OperatorProcess) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        lab.audit.mark()
        await asyncio.sleep(AT_REST)
        running.check()
        if not mutating(lab.audit.calls()):
            await asyncio.sleep(lab.sizes.steady_after)
            return
    raise TestbedError(f"the clusters did not come to rest within {SECONDS:.0f} s: {lab.audit.calls()}")


async def _give_addresses(lab: Lab) -> list[dict[str, Any]]:
    """Each head pod an address of this machine, and what is to answer there."""
    listed = await lab.client.call("GET", pods(NAMESPACE), resourceVersion="0")
    clusters: dict[str, dict[str, str]] = defaultdict(dict)
    head_of: dict[str, str] = {}
    for pod in listed["items"]:
        name, labels = pod["metadata"]["name"], pod["metadata"]["labels"]
        clusters[labels[CLUSTER_LABEL]][name] = labels["ray.io/group"]
        if labels[TYPE_LABEL] == "head":
            head_of[labels[CLUSTER_LABEL]] = name
    hosts = {cluster: _host(number) for number, cluster in enumerate(head_of)}

    async def give(item: tuple[str, str]) -> None:
        cluster, head = item
        status = {"podIP": hosts[cluster], "podIPs": [{"ip": hosts[cluster]}]}
        path = f"{pods(NAMESPACE)}/{head}/status"
        await lab.client.call("PATCH", path, {"status": status}, content_type=MERGE_PATCH)

    await spread(head_of.items(), give)
    return [{"address": f"{hosts[name]}:{PORT}", "nodes": clusters[name]} for name in head_of]


def _host(number: int) -> str:
    return f"127.9.{number // 250}.{number % 250 + 1}"


def _steady_group() -> dict[str, Any]:
    """All of its workers are wanted, although they are idle."""
    return {**group(FLEET_WORKERS), "minReplicas": FLEET_WORKERS}
