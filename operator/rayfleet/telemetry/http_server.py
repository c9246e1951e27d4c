"""A small HTTP server for the kubelet and for Prometheus."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

STOP_SECONDS = 1.0
"""What is being answered when the server stops may take this long."""


class ListenError(Exception):
    """The server cannot listen where it is told to; says which setting to change."""


class HttpServer:
    """Answers GET on each path of `routes`; on port 0 it does not listen at all."""

    def __init__(self, host: str, port: int, routes: Mapping[str, Handler], *, setting: str) -> None:
        self._host = host
        self._port = port
        self._setting = setting
        app = web.Application()
        for path, handler in routes.items():
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)

    async def start(self) -> None:
        """Listen. Raises ListenError, as where the port is taken."""
        if not self._port:
            return
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            why = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(
                f"{self._setting}: cannot listen on {self._host}:{self._port} ({why}); "
                "give another port, or 0 for none"
            ) from error

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._runner.server.connections) if self._runner.server is not None else 0

    async def stop(self) -> None:
        """Close every connection; one that has been stopped already, or never started, is fine."""
        await self._runner.cleanup()
