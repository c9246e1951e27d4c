"""An API server with prepared objects and real port-forwards, for the commands about jobs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web

from support.port_forwards import Addresses, port_forward

Hook: TypeAlias = Callable[..., object]
"""Something that a test does before the answer."""


class ForwardingApi:
    """Answers each path as `answers` says, and keeps what was written."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        """Status and body by path, whatever the query."""
        self.written: list[tuple[str, str, Any]] = []
        """Method, path and body of each request that would change something."""
        self.read: set[str] = set()
        """Paths that were read."""
        self.addresses: Addresses = {}
        self.forwards = 0
        """How many port-forwards were asked for."""
        self.refusal = ""
        """Why there are no port-forwards; empty if there are."""
        self.on_forward: Hook = lambda _: None
        """Called with the number of each port-forward."""
        self.on_read: Hook = lambda _: None
        """Called with the path of each request that only reads."""
        self.on_write: Hook = lambda _: None
        """Called with the method of each request that would change something."""
        self.pages: dict[str, object] = {}
        """The rest of a list, by its continue token."""
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that leads to this server."""
        made = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
            "users": [{"name": "u", "user": {}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(made))
        return file

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.split("/")
        if parts[-1] == "portforward":
            self.forwards += 1
            self.on_forward(self.forwards)
            if self.refusal:
                return web.json_response({"message": self.refusal}, status=403)
            return await port_forward(request, parts[-2], self.addresses)
        if request.method == "GET":
            status, answer = self._read(request)
        else:
            body = json.loads(await request.read() or b"null")
            self.written.append((request.method, request.path, body))
            self.on_write(request.method)
            status, answer = self.answers.get(f"{request.method} {request.path}", (200, body))
        return web.json_response(answer, status=status)

    def _read(self, request: web.Request) -> tuple[int, object]:
        self.read.add(request.path)
        self.on_read(request.path)
        if (page := self.pages.get(request.query.get("continue", ""))) is not None:
            return 200, page
        return self.answers.get(request.path, (404, {"message": "not found"}))
