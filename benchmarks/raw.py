"""The raw client, in its own process: posts given pods at a given concurrency, and nothing else."""

import json
import ssl
import sys
import time
from typing import Any

import orjson
import uvloop

from benchmarks.client import Client, spread
from benchmarks.clusters import pods


def numbered(body: dict[str, Any], number: int) -> dict[str, Any]:
    """The pod with its own name."""
    return {**body, "metadata": {**body["metadata"], "name": f"raw-{number}"}}


async def post(job: dict[str, Any]) -> dict[str, float]:
    """Post `count` pods; return when the first was sent and the last answered, by the monotonic clock."""
    client = Client(job["server"], ssl.create_default_context(cadata=job["ca"]), job["token"])
    path, bodies = pods(job["namespace"]), job["bodies"]
    made = [numbered(bodies[number % len(bodies)], number) for number in range(job["count"])]
    try:
        begun = time.monotonic()
        await spread(made, lambda body: client.call("POST", path, body), job["concurrency"])
        return {"begun": begun, "ended": time.monotonic()}
    finally:
        await client.close()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(post(orjson.loads(sys.stdin.buffer.read())))))
