"""What the harness sees, and when: pods created and deleted, and clusters that become ready.

Times are of the monotonic clock, taken when an event has been read from the socket.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from benchmarks.client import Client, RefusedError
from benchmarks.clusters import API

_NOT_YET = 429
"""The API server's answers while it is not ready to serve watches of a new kind."""
_ATTEMPTS = 50
_ERROR = b'{"type":"ERROR"'
CLUSTER_LABEL = "ray.io/cluster"
TYPE_LABEL = "ray.io/node-type"
WORKER = "worker"


Handle = Callable[[bytes, float], None]


class Where(NamedTuple):
    """A cluster."""

    namespace: str
    name: str


@dataclass
class Sighting:
    """What has been seen of one cluster since a request."""

    asked: float
    pods: int
    """How many new pods are expected."""
    workers: int
    """How many ready workers its status should report."""
    added: list[float] = field(default_factory=list)
    ready: float | None = None

    @property
    def first(self) -> float:
        """Seconds until the first new pod."""
        return self.added[0] - self.asked

    @property
    def all(self) -> float:
        """Seconds until the last of the requested new pods."""
        return self.added[self.pods - 1] - self.asked

    @property
    def complete(self) -> bool:
        return len(self.added) >= self.pods and (self.ready is not None or self.workers < 0)


class Watch:
    """Two watches, of pods and of RayClusters, in all namespaces."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sightings: dict[Where, Sighting] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.alive: dict[Where, dict[str, str]] = {}
        """The existing pods: name to `head` or `worker`."""
        self.last_gone: dict[Where, float] = {}
        """When a cluster last lost a pod."""

    async def start(self) -> None:
        """Begin now; nothing may exist yet."""
        for path, labels, handle in (
            ("/api/v1/pods", CLUSTER_LABEL, self._on_pod),
            (f"{API}/rayclusters", "", self._on_cluster),
        ):
            listed = await self._client.call("GET", path, labelSelector=labels, limit="1")
            version = listed["metadata"]["resourceVersion"]
            self._tasks.append(asyncio.create_task(self._follow(path, labels, version, handle)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise what ended a watch, if anything did."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise RuntimeError("a watch of the harness has ended: run again on a quieter machine")

    def expect(self, where: Where, pods: int, workers: int) -> Sighting:
        """From now on count what happens to `where`; `workers` -1: readiness does not matter."""
        sighting = Sighting(time.monotonic(), pods, workers)
        self._sightings[where] = sighting
        return sighting

    @property
    def pods(self) -> int:
        """How many pods there are."""
        return sum(map(len, self.alive.values()))

    @contextmanager
    def expecting(self, where: Where, pods: int) -> Iterator[Sighting]:
        """Count the new pods of `where` within the block, in addition to other counts."""
        before = self._sightings.get(where)
        yield self.expect(where, pods, -1)
        if before is None:
            self._sightings.pop(where)
        else:
            self._sightings[where] = before

    async def _follow(
        self, path: str, labels: str, version: str, handle: Callable[[bytes, float], None]
    ) -> None:
        params = {"labelSelector": labels, "resourceVersion": version, "timeoutSeconds": "7200"}
        last = b""
        for _ in range(_ATTEMPTS):
            try:
                async for line in self._client.lines(path, watch="1", **params):
                    if line.startswith(_ERROR):
                        break
                    last = line
                    handle(line, time.monotonic())
            except RefusedError as error:
                if error.status != _NOT_YET:
                    raise
            # It also ends, at times with an error event, while the API server is still loading a CRD.
            if last:
                params["resourceVersion"] = orjson.loads(last)["object"]["metadata"]["resourceVersion"]
            await asyncio.sleep(0.2)

    def _on_pod(self, line: bytes, now: float) -> None:
        if line.startswith(b'{"type":"MODIFIED"'):
            return  # Most events are of this kind, and nothing here depends on one: left undecoded.
        event = orjson.loads(line)
        metadata = event["object"]["metadata"]
        where = Where(metadata["namespace"], metadata["labels"][CLUSTER_LABEL])
        names = self.alive.setdefault(where, {})
        if event["type"] == "DELETED":
            names.pop(metadata["name"], None)
            self.last_gone[where] = now
        elif event["type"] == "ADDED":
            names[metadata["name"]] = metadata["labels"].get(TYPE_LABEL, "")
            sighting = self._sightings.get(where)
            if sighting is not None:
                sighting.added.append(now)
        else:
            raise RuntimeError(f"the watch of pods said {event['type']}: {event['object']}")

    def _on_cluster(self, line: bytes, now: float) -> None:
        event = orjson.loads(line)
        metadata, status = event["object"]["metadata"], event["object"].get("status") or {}
        sighting = self._sightings.get(Where(metadata.get("namespace", ""), metadata.get("name", "")))
        if sighting is None or sighting.ready is not None:
            return
        if status.get("state") == "ready" and status.get("readyWorkerReplicas", 0) == sighting.workers:
            sighting.ready = now
