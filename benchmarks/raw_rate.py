"""How fast the API server accepts the same pods from a client that does nothing else."""

import asyncio
import json
import sys
from typing import Any

import orjson

from benchmarks.bed import REPOSITORY
from benchmarks.clusters import collection, raycluster
from benchmarks.lab import RAW, Lab

CONCURRENCIES = (8, 32, 64)
SECONDS = 180.0
WARM_UP_PODS = 100


async def find_best_concurrency(lab: Lab) -> dict[int, float]:
    """Choose the concurrency at which the raw client is fastest; return all rates in pods/s."""
    await raw_rate(lab, WARM_UP_PODS, CONCURRENCIES[-1])  # The first pods of a control plane are slow.
    rates = {each: await raw_rate(lab, lab.sizes.raw_trial_pods, each) for each in CONCURRENCIES}
    lab.raw_concurrency = max(rates, key=lambda each: rates[each])
    return rates


async def raw_rate(lab: Lab, count: int, concurrency: int | None = None) -> float:
    """Pods per second from the raw client's first request to our last event. No operator may run."""
    await lab.settle()
    made = await lab.client.call("POST", collection(RAW.namespace), raycluster(RAW.name, 1))
    sighting = lab.watch.expect(RAW, count, -1)
    job = {
        "server": lab.access.server,
        "ca": lab.access.authority.read_text(),
        "token": lab.access.token,
        "namespace": RAW.namespace,
        "concurrency": concurrency or lab.raw_concurrency,
        "count": count,
        "bodies": [owned_by(body, made["metadata"]["uid"]) for body in lab.raw_pods],
    }
    begun = await _post(job)
    await lab.until("the raw client's pods", lambda: len(sighting.added) >= count, seconds=SECONDS)
    rate = count / (sighting.added[count - 1] - begun)
    await lab.clear(RAW.namespace)
    await lab.settle()
    lab.say(f"    raw client, {job['concurrency']} in flight: {rate:.0f} pods/s")
    return rate


async def _post(job: dict[str, Any]) -> float:
    """Let the raw client post; the moment of its first request."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.raw", cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await child.communicate(orjson.dumps(job))
    if child.returncode:
        raise RuntimeError(f"the raw client ended with {child.returncode}")
    return float(json.loads(output)["begun"])


def owned_by(body: dict[str, Any], uid: str) -> dict[str, Any]:
    """The pod as the raw client posts it: what the operator posted, as a child of the raw cluster."""
    metadata = body["metadata"]
    owner = {**metadata["ownerReferences"][0], "name": RAW.name, "uid": uid}
    labels = {**metadata["labels"], "ray.io/cluster": RAW.name}
    kept = {key: value for key, value in metadata.items() if key in ("annotations", "finalizers")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**kept, "labels": labels, "ownerReferences": [owner]},
        "spec": body["spec"],
    }
