"""What every scenario uses: the bed, the watch, the operator, clusters, and clean-up."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import bed as beds
from benchmarks.audit import AuditLog, bodies
from benchmarks.client import MERGE_PATCH, Client, RefusedError, spread
from benchmarks.clusters import collection, pods, raycluster, scaled
from benchmarks.meter import Meter
from benchmarks.operator_process import OperatorProcess
from benchmarks.sizes import Sizes
from benchmarks.waiting import TooLongError, until
from benchmarks.watch import Sighting, Watch, Where
from testbed.record import Bed

Figures: TypeAlias = dict[str, Any]
"""The figures of one scenario by name, with their unit at the name's end."""

SAMPLE = Where("bench-sample", "sample")
RAW = Where("bench-raw", "raw")
START_SECONDS = 60.0
GONE_SECONDS = 300.0
DELETE_REQUESTS = 10
QUIET_SHARE = 0.3
"""Total cores that the control plane may use and still count as quiet."""


@dataclass
class Lab:
    """One run of the harness."""

    bed: Bed
    client: Client
    watch: Watch
    access: beds.Access
    audit: AuditLog
    command: str
    sizes: Sizes
    say: Callable[[str], None]
    raw_concurrency: int = 0
    raw_pods: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kubeconfig(self) -> Path:
        return self.bed.folder / "operator.kubeconfig"

    def start_operator(self, options: str = "") -> OperatorProcess:
        """Start it, with further options, and wait for nothing."""
        log = self.bed.folder / "logs" / "operator.log"
        return OperatorProcess(f"{self.command} {options}", self.kubeconfig, beds.REPOSITORY, log)

    def meter(self, running: OperatorProcess) -> Meter:
        return Meter(self.bed, self.audit, running)

    @asynccontextmanager
    async def operator(self, options: str = "") -> AsyncIterator[OperatorProcess]:
        """An operator that has proved with a first cluster that it works, and is idle."""
        running = self.start_operator(options)
        try:
            await self._prove(running)
            self.say(f"    the operator works (pid {running.pid})")
            yield running
        except Exception as error:
            error.add_note(f"the operator's last words: {running.last_words()}")
            raise
        finally:
            await running.stop()

    async def _prove(self, running: OperatorProcess) -> None:
        self.audit.mark()
        sighting = self.watch.expect(SAMPLE, 2, 1)
        await self.client.call("POST", collection(SAMPLE.namespace), raycluster(SAMPLE.name, 1))
        await self.until("a first cluster", lambda: sighting.complete, running, START_SECONDS)
        self.raw_pods = self.raw_pods or bodies(self.audit.entries())
        await self.remove(SAMPLE)
        await self.settle()

    async def until(
        self,
        what: str,
        look: Callable[[], object],
        running: OperatorProcess | None = None,
        seconds: float = 180.0,
    ) -> None:
        """Wait for something the operator does, and stop early if it or a watch ends."""

        def looked() -> object:
            self.watch.check()
            if running is not None:
                running.check()
            return look()

        await until(what, looked, seconds=seconds)

    async def create(self, where: list[Where], workers: int) -> list[Sighting]:
        """Create clusters as fast as possible; each sighting counts from its own request."""
        sightings: list[Sighting] = []

        async def send(one: Where) -> None:
            sightings.append(self.watch.expect(one, 1 + workers, workers))
            await self.client.call("POST", collection(one.namespace), raycluster(one.name, workers))

        await spread(where, send)
        return sightings

    async def scale(self, where: list[Where], more: int, workers: int) -> list[Sighting]:
        """Give clusters this many workers, which adds `more` pods to each."""
        sightings: list[Sighting] = []

        async def send(one: Where) -> None:
            sightings.append(self.watch.expect(one, more, workers))
            path = f"{collection(one.namespace)}/{one.name}"
            await self.client.call("PATCH", path, scaled(workers), content_type=MERGE_PATCH)

        await spread(where, send)
        return sightings

    async def namespace(self, name: str) -> str:
        """A namespace in which pods can be created."""
        await self.client.create_if_absent("/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        deadline = time.monotonic() + START_SECONDS
        while not await self.client.exists(account):
            if time.monotonic() > deadline:
                raise TooLongError(
                    f"timed out after {START_SECONDS:.0f} s waiting for the service account of {name}"
                )
            await asyncio.sleep(0.05)
        return name

    async def remove(self, where: Where) -> None:
        """Delete a cluster as a user does, and wait until its pods are gone."""
        await self.client.call("DELETE", f"{collection(where.namespace)}/{where.name}")
        await self._gone([where])

    async def clear(self, namespace: str) -> None:
        """Delete every cluster and child in a namespace, pods without grace; the operator must not run."""
        for path in (
            pods(namespace),
            f"/api/v1/namespaces/{namespace}/services",
            f"/apis/events.k8s.io/v1/namespaces/{namespace}/events",
            # Last: with its owner gone, each child would be deleted a second time by the garbage collector.
            collection(namespace),
        ):
            await self._delete_all(path)
        await self._gone([where for where in self.watch.alive if where.namespace == namespace])

    async def _delete_all(self, path: str) -> None:
        """Delete a collection, in as many requests of a minute as that takes."""
        for _ in range(DELETE_REQUESTS):
            try:
                await self.client.call("DELETE", path, {"gracePeriodSeconds": 0})
            except RefusedError as error:
                if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
            else:
                return
        raise TooLongError(f"{path} could not be emptied within {DELETE_REQUESTS} requests")

    async def _gone(self, where: list[Where]) -> None:
        def gone() -> bool:
            return not any(map(self.watch.alive.get, where))

        await self.until("pods to be gone", gone, seconds=GONE_SECONDS)

    async def settle(self, seconds: float = 30.0) -> None:
        """Wait until the control plane has done what it had to, and at most `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before, begun = sum(beds.daemon_cpu(self.bed).values()), time.monotonic()
            await asyncio.sleep(0.5)
            used = sum(beds.daemon_cpu(self.bed).values()) - before
            if used / (time.monotonic() - begun) < QUIET_SHARE:
                return
