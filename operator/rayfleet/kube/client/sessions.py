"""HTTP connections to the API server: a bounded pool for requests, and a pool for watches."""

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import aiohttp

from rayfleet import __version__
from rayfleet.kube.client.credentials import Credentials

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the server; a packet without an answer must not use up a request's whole time."""
KEEP_ALIVE = 60.0
"""Seconds that an idle connection is kept, so that TLS is set up once; API servers close it after 90."""
CLOSE_TIMEOUT = 1.0
"""Seconds that closing all connections may take."""


class Sessions:
    """Two aiohttp sessions over one TLS context, created on first use, inside the event loop.

    A watch holds its connection for minutes, so watches have an unbounded pool of their own: however many
    there are, they never keep a write waiting.
    """

    def __init__(self, credentials: Credentials, connections: int) -> None:
        self._credentials = credentials
        self._connections = connections
        self._open: tuple[aiohttp.ClientSession, aiohttp.ClientSession] | None = None
        self._sockets: WeakSet[socket.socket] = WeakSet()

    @property
    def requests(self) -> aiohttp.ClientSession:
        return self._both()[0]

    @property
    def watches(self) -> aiohttp.ClientSession:
        return self._both()[1]

    async def close(self) -> None:
        """Close every connection; the next use opens new ones.

        A cancelled request leaves its TLS connection closing in the background, which the session does not
        wait for: such a connection is cut.
        """
        sessions, self._open = self._open or (), None
        for session in sessions:
            await session.close()
        for connection in self._sockets:
            with suppress(OSError):  # Closed, or never connected.
                connection.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while any(connection.fileno() >= 0 for connection in self._sockets):
                    await asyncio.sleep(0)

    def _both(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        if self._open is None:
            tls = self._credentials.ssl_context()
            self._open = (self._session(tls, self._connections), self._session(tls, 0))
        return self._open

    def _session(self, tls: ssl.SSLContext | None, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=True if tls is None else tls,
            limit=limit,
            keepalive_timeout=KEEP_ALIVE,
            socket_factory=self._socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Not compressed: inside a cluster, network is cheaper than CPU time at both ends.
            headers={"User-Agent": f"rayfleet/{__version__}", "Accept-Encoding": "identity"},
        )

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = address
        connection = socket.socket(family, kind, protocol)
        self._sockets.add(connection)
        return connection
