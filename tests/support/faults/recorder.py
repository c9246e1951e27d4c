"""Records what happens in a cluster, by watches of its own."""

import asyncio
import json
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from support.faults.history import Change, History

WATCHED: Mapping[str, str] = {
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "rayclusters": "/apis/ray.io/v1/rayclusters",
}
_LONGEST_LINE = 4 * 1024 * 1024


class Recorder:
    """Follows pods, services and RayClusters of all namespaces, and tells `listeners` of each change."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self._server = server
        self._tls = tls
        self.histories: dict[str, History] = defaultdict(History)
        self.listeners: list[Callable[[str, Change], None]] = []
        self.failure: str = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                async with asyncio.TaskGroup() as group:
                    for kind, path in WATCHED.items():
                        group.create_task(self._follow(session, kind, path))
            except Exception as error:
                self.failure = repr(error)
                raise

    async def _follow(self, session: aiohttp.ClientSession, kind: str, path: str) -> None:
        async with session.get(self._server + path) as response:
            assert response.status == HTTPStatus.OK, await response.text()
            listing = await response.json()
        for obj in listing["items"]:
            self._note(kind, gone=False, obj=obj)
        version = listing["metadata"]["resourceVersion"]
        while True:
            version = await self._watch(session, kind, path, version)

    async def _watch(self, session: aiohttp.ClientSession, kind: str, path: str, version: str) -> str:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "3000"}
        async with session.get(
            self._server + path, params=query, max_line_size=_LONGEST_LINE, read_bufsize=_LONGEST_LINE
        ) as response:
            response.raise_for_status()
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise AssertionError(f"the recorder has missed {kind}: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                self._note(kind, gone=event["type"] == "DELETED", obj=event["object"])
        return version

    def _note(self, kind: str, *, gone: bool, obj: dict[str, Any]) -> None:
        metadata = obj["metadata"]
        metadata.pop("managedFields", None)
        change = Change(int(metadata["resourceVersion"]), kind, gone, obj, time.monotonic())
        namespace = metadata["namespace"]
        self.histories[namespace].add(change)
        for listener in self.listeners:
            listener(namespace, change)
