"""A small HTTP server for the kubelet and for Prometheus."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

STOP_SECONDS = 1.0
"""How long requests under way may take when the server stops."""


class ListenError(Exception):
    """The server cannot listen at its address; the message says which setting to change."""


class HttpServer:
    """Answers GET on each path of `routes`; with port 0 it does not listen at all."""

    def __init__(self, host: str, port: int, routes: Mapping[str, Handler], *, setting: str) -> None:
        self._host = host
        self._port = port
        self._setting = setting
        app = web.Application()
        for path, handler in routes.items():
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)

    async def start(self) -> None:
        """Listen. Raises ListenError, for example if the port is taken."""
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
                "set another port, or 0 for none"
            ) from error

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._runner.server.connections) if self._runner.server is not None else 0

    async def stop(self) -> None:
        """Close every connection. Stopping twice, or without having started, is fine."""
        await self._runner.cleanup()
