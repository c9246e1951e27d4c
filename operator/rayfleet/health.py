"""`/healthz` and `/readyz`, for the kubelet."""

from collections.abc import Awaitable, Callable

from aiohttp import web

Check = Callable[[], str | None]
"""None when all is well, else what is not, in words."""


class HealthServer:
    """Answers 200 `ok`, or 503 and why. That it answers at all shows that the event loop turns."""

    def __init__(self, host: str, port: int, *, healthy: Check, ready: Check) -> None:
        self._host = host
        self._port = port
        app = web.Application()
        app.router.add_get("/healthz", _answer(healthy))
        app.router.add_get("/readyz", _answer(ready))
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        trouble = check()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    return handler
