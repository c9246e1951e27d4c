"""A node without containers: its pods run because it says so, and end when they are deleted."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp

from support.cluster_api import running
from support.faults.history import Change
from support.queue_scene import free_host

NODE = "faults"
_HEARTBEAT_S = 8.0
_STOP_S = 0.15
"""How long a container takes to stop, so that its pod is terminating for a while."""


class PretendKubelet:
    """Registers one node, to which the real scheduler binds pods, and plays the kubelet for them."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self._server = server
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._news: asyncio.Queue[Change] = asyncio.Queue()
        self._started: set[str] = set()
        self._stopping: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.idle: set[str] = set()
        """Namespaces whose pods it does not start."""
        self.on_this_machine: set[str] = set()
        """Namespaces whose heads get addresses at which something can listen."""

    def hear(self, _: str, change: Change) -> None:
        """Take in a change; to be called in its loop."""
        if change.kind == "pods":
            self._news.put_nowait(change)

    async def run(self) -> None:
        """Play until cancelled."""
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=16)
        async with aiohttp.ClientSession(connector=connector) as session:
            self._session = session
            await self._register()
            beating = asyncio.create_task(self._beat())
            try:
                while True:
                    self._take(await self._news.get())
            finally:
                beating.cancel()

    def _take(self, change: Change) -> None:
        metadata = change.obj["metadata"]
        uid = metadata["uid"]
        if change.gone or change.obj["spec"].get("nodeName") != NODE:
            return
        if "deletionTimestamp" in metadata:
            if uid not in self._stopping:
                self._stopping.add(uid)
                self._begin(self._stop(metadata))
        elif uid not in self._started and metadata["namespace"] not in self.idle:
            self._started.add(uid)
            self._begin(self._start(metadata))

    def _begin(self, doing: Any) -> None:  # noqa: ANN401 - a coroutine of whatever kind
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, metadata: Mapping[str, Any]) -> None:
        number = len(self._started)
        address = f"10.{1 + number // 62500 % 250}.{number // 250 % 250}.{number % 250 + 1}"
        is_head = (metadata.get("labels") or {}).get("ray.io/node-type") == "head"
        if is_head and metadata["namespace"] in self.on_this_machine:
            address = free_host()
        # A pod that is being deleted does not start; that one may be is why its uid is given.
        body = {"metadata": {"uid": metadata["uid"]}, "status": running(address)}
        await self._call("PATCH", f"{_path(metadata)}/status", body)

    async def _stop(self, metadata: Mapping[str, Any]) -> None:
        await asyncio.sleep(_STOP_S)
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        await self._call("DELETE", _path(metadata), body)

    async def _register(self) -> None:
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
        room = {"cpu": "100k", "memory": "1000Ti", "pods": "100k", "nvidia.com/gpu": "100k"}
        status = {"conditions": conditions, "capacity": room, "allocatable": room}
        await self._call("POST", "/api/v1/nodes", {"metadata": {"name": NODE}, "status": status})
        lease = {"metadata": {"name": NODE}, "spec": {"holderIdentity": NODE, "renewTime": _now()}}
        await self._call("POST", _LEASES, lease)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            await self._call("PATCH", f"{_LEASES}/{NODE}", {"spec": {"renewTime": _now()}})

    async def _call(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        assert self._session is not None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        with suppress(aiohttp.ClientConnectionError):
            async with self._session.request(
                method, self._server + path, data=json.dumps(body), headers={"Content-Type": kind}
            ) as response:
                answer = await response.text()
            # A pod may be gone, or another one by now.
            assert response.status < 300 or response.status in {404, 409}, answer


_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def _path(metadata: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
