"""`/healthz` and `/readyz`, for the kubelet."""

from collections.abc import Callable

from aiohttp import web

from rayfleet.http_server import Handler, HttpServer

Check = Callable[[], str | None]
"""None when all is well, else what is not, in words."""


class HealthServer(HttpServer):
    """Answers 200 `ok`, or 503 and why. That it answers at all shows that the event loop turns."""

    def __init__(self, host: str, port: int, *, healthy: Check, ready: Check) -> None:
        routes = {"/healthz": _answer(healthy), "/readyz": _answer(ready)}
        super().__init__(host, port, routes, setting="--health-port")


def _answer(check: Check) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        trouble = check()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    return handler
