"""`/healthz` and `/readyz`, for the kubelet."""

from collections.abc import Callable, Iterable

from aiohttp import web

from rayfleet.telemetry.http_server import Handler, HttpServer

Check = Callable[[], str | None]
"""Returns None if all is well, else what is wrong."""


class HealthServer(HttpServer):
    """Answers 200 `ok`, or 503 and why. That it answers at all shows that the event loop is running.

    `/readyz` shows `remarks`, other things that are wrong, below its `ok` or its reason.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        healthy: Check,
        ready: Check,
        remarks: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        routes = {"/healthz": _answer(healthy, tuple), "/readyz": _answer(ready, remarks)}
        super().__init__(host, port, routes, setting="--health-port")


def _answer(check: Check, remarks: Callable[[], Iterable[str]]) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        trouble = check()
        text = "\n".join((trouble or "ok", *(remark for remark in remarks() if remark != trouble)))
        return web.Response(text=text, status=503 if trouble else 200)

    return handler
