"""HTTP connections to the API server: a bounded pool for requests, and others for watches."""

import aiohttp

from rayfleet import __version__
from rayfleet.clients.credentials import Credentials

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the server; a packet that nobody answers must not use up a request's whole time."""
KEEP_ALIVE = 60.0
"""Seconds that an idle connection is kept, so that TLS is set up once; API servers close after 90."""


class Sessions:
    """Two aiohttp sessions over one TLS context, made on first use, inside the event loop.

    A watch holds its connection for minutes, so watches have a pool of their own without a bound:
    however many there are, they never keep a write waiting.
    """

    def __init__(self, credentials: Credentials, connections: int) -> None:
        self._credentials = credentials
        self._connections = connections
        self._open: tuple[aiohttp.ClientSession, aiohttp.ClientSession] | None = None

    @property
    def requests(self) -> aiohttp.ClientSession:
        return self._both()[0]

    @property
    def watches(self) -> aiohttp.ClientSession:
        return self._both()[1]

    async def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        sessions, self._open = self._open or (), None
        for session in sessions:
            await session.close()

    def _both(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        if self._open is None:
            tls = self._credentials.ssl_context()
            context = True if tls is None else tls
            self._open = (
                _session(
                    aiohttp.TCPConnector(ssl=context, limit=self._connections, keepalive_timeout=KEEP_ALIVE)
                ),
                _session(aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=KEEP_ALIVE)),
            )
        return self._open


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # Not compressed: inside a cluster the network is cheaper than the processors at both ends.
        headers={"User-Agent": f"rayfleet/{__version__}", "Accept-Encoding": "identity"},
    )
