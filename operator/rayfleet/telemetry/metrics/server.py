"""`/metrics`, for Prometheus."""

import asyncio

from aiohttp import web

from rayfleet.telemetry.http_server import HttpServer
from rayfleet.telemetry.metrics.exposition import Exposition
from rayfleet.telemetry.metrics.scrapes import Scrapes

LONGEST_SECONDS = 30.0
"""How long a scraper may take to read its answer; a slower one is cut off."""


class MetricsServer(HttpServer):
    """Answers in the OpenMetrics format if the scraper accepts it, else in Prometheus' text format."""

    def __init__(self, host: str, port: int, exposition: Exposition) -> None:
        self._scrapes = Scrapes(exposition)
        super().__init__(host, port, {"/metrics": self._scrape}, setting="--metrics-port")

    async def _scrape(self, request: web.Request) -> web.StreamResponse:
        answer = await self._scrapes.answer(request.headers.get("Accept", ""))
        response = web.StreamResponse(headers={"Content-Type": answer.content_type})
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await response.prepare(request)
                for part in answer.parts:
                    await response.write(part)
                await response.write_eof()
        except OSError:
            # It has hung up, or is too slow (TimeoutError is an OSError): its own problem, not worth a log.
            if request.transport is not None:
                request.transport.abort()
        return response
