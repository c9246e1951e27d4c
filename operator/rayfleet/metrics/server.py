"""`/metrics`, for Prometheus."""

from contextlib import aclosing

from aiohttp import web

from rayfleet.http_server import HttpServer
from rayfleet.metrics.exposition import Exposition


class MetricsServer(HttpServer):
    """Answers in the OpenMetrics format where the scraper takes it, else in Prometheus' text format."""

    def __init__(self, host: str, port: int, exposition: Exposition) -> None:
        self._exposition = exposition
        super().__init__(host, port, {"/metrics": self._scrape}, setting="--metrics-port")

    async def _scrape(self, request: web.Request) -> web.StreamResponse:
        content_type, parts = self._exposition.answer(request.headers.get("Accept", ""))
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        async with aclosing(parts):
            async for part in parts:
                await response.write(part)
        await response.write_eof()
        return response
