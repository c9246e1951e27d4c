"""A small HTTP server for the kubelet and for Prometheus."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Answers GET on each path of `routes`; on port 0 it does not listen at all."""

    def __init__(self, host: str, port: int, routes: Mapping[str, Handler]) -> None:
        self._host = host
        self._port = port
        app = web.Application()
        for path, handler in routes.items():
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        if self._port:
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Close every connection."""
        await self._runner.cleanup()
