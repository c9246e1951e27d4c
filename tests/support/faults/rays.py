"""The Ray of clusters in fault cases: its head is where the head pod is, its nodes come and go with pods."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import grpc

from rayfleet.ray.gcs.protocol import ray_pb2
from support.faults import rules
from support.faults.call import Call
from support.faults.history import Change
from support.faults.proxy import Exchange, FaultProxy
from support.faults.wanted import CLUSTER, GROUP, HEAD, is_ready, labels, terminating
from support.pretend_ray import PretendRay

_CONFLICT = 409
_DONE = 200


class FaultyRay(PretendRay):
    """One cluster's Ray. The script of its operator's proxy is about DrainNode too, as `drain nodes`."""

    def __init__(self, proxy: FaultProxy, namespace: str) -> None:
        super().__init__()
        self._proxy = proxy
        self._namespace = namespace

    async def _state(self, request: bytes) -> bytes | grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE if self._proxy.dead else await super()._state(request)

    async def _report(self, request: bytes) -> bytes | grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE if self._proxy.dead else await super()._report(request)

    async def _books(self, request: bytes) -> bytes | grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE if self._proxy.dead else await super()._books(request)

    async def _drain(self, request: bytes) -> bytes | grpc.StatusCode:
        if self._proxy.dead:
            return grpc.StatusCode.UNAVAILABLE
        asked = ray_pb2.DrainNodeRequest.FromString(request)
        name = next((n.name for n in tuple(self.nodes.values()) if n.node_id == asked.node_id), "")
        call, at = Call("drain", "nodes", self._namespace, name, {}, {}), time.monotonic()
        action = self._proxy.script.decide(call)
        if isinstance(action, rules.Cut):
            self._proxy.exchanges.append(Exchange(call, at, 0, 0))
            return grpc.StatusCode.UNAVAILABLE
        answer = await super()._drain(request)
        status = _DONE if self.drains and self.drains[-1] == (name, True) else _CONFLICT
        lost = isinstance(action, rules.LoseAnswer | rules.Die)
        self._proxy.exchanges.append(Exchange(call, at, status, 0 if lost else status))
        if isinstance(action, rules.Die):
            await self._proxy.die()
        elif isinstance(action, rules.LoseAnswer) and not action.cut:
            await asyncio.Event().wait()
        return grpc.StatusCode.UNAVAILABLE if lost else answer


class PretendRays:
    """Keeps the Ray of each cluster that is followed in step with its pods."""

    def __init__(self) -> None:
        self._rays: dict[tuple[str, str], FaultyRay] = {}
        self._news: asyncio.Queue[Change] = asyncio.Queue()
        self._hosts: dict[str, str] = {}

    def follow(self, namespace: str, cluster: str, ray: FaultyRay) -> None:
        """Make `ray` the Ray of this cluster from now on."""
        self._rays[namespace, cluster] = ray

    def hear(self, _: str, change: Change) -> None:
        """Take in a change; to be called in its loop."""
        if change.kind == "pods" and self._of(change.obj) is not None:
            self._news.put_nowait(change)

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            await self._take(await self._news.get())

    async def stop(self) -> None:
        """Close every head. Before the tasks of the loop are cancelled, as gRPC's own are among them."""
        for ray in self._rays.values():
            await ray.stop()

    async def _take(self, change: Change) -> None:
        ray, name = self._of(change.obj), change.name
        assert ray is not None
        is_head = labels(change.obj).get(GROUP) == HEAD
        if change.gone or terminating(change.obj):
            ray.leave(name)
            if is_head and self._hosts.pop(name, ""):
                await ray.stop()
        elif not is_ready(change.obj):
            return
        elif is_head and name not in self._hosts:
            self._hosts[name] = str(change.obj["status"]["podIP"])
            ray.begin(name)
            await ray.start(self._hosts[name])
        elif not is_head:
            ray.join(name, labels(change.obj).get(GROUP, ""))

    def _of(self, pod: Mapping[str, Any]) -> FaultyRay | None:
        return self._rays.get((pod["metadata"]["namespace"], labels(pod).get(CLUSTER, "")))
