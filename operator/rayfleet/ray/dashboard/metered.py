"""Connections that count what comes: a head must not keep the event loop busy with an answer without end.

aiohttp bounds headers and bodies, but passes over any number of interim responses, takes a body in chunks of
one byte apart at 100 times its cost, and with uvloop parses on while more comes. So the receive buffer is
small, which makes the pieces small, and a connection is cut when its answer is too much.
"""

import asyncio
import socket
from contextvars import ContextVar
from time import thread_time
from typing import Any, Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from rayfleet.ray.dashboard.bounds import LARGEST_LIST

RECEIVE_BUFFER: Final = 8 << 10
"""Bytes, which Linux doubles. One turn of the event loop then takes 15 ms at most, not 2.5 s."""
MOST_BYTES: Final = LARGEST_LIST + (64 << 10)
"""Of one answer, with everything around its body."""
MOST_SECONDS: Final = 0.02
"""CPU time for taking one answer apart: the largest list takes 1 ms."""

METERS: Final[ContextVar["list[Meter] | None"]] = ContextVar("METERS", default=None)
"""Where a request's meters are listed: aiohttp does not say on which connection a request goes."""


class Meter(asyncio.Protocol):
    """Stands between a connection and its protocol, and cuts the connection if an answer is too much."""

    def __init__(self, inner: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._inner = inner
        self._transport = transport
        self._bytes = 0
        self._seconds = 0.0
        self.cut = False
        """Whether the connection was cut because its answer was too much."""

    def begin(self) -> None:
        """The connection is used for another request."""
        self._bytes, self._seconds = 0, 0.0

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > MOST_BYTES or self._seconds > MOST_SECONDS:
            self.cut = True
            self._transport.abort()
            return
        began = thread_time()
        self._inner.data_received(data)
        self._seconds += thread_time() - began

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class MeteredConnector(aiohttp.TCPConnector):
    """Opens connections with a meter each."""

    def __init__(self, **options: Any) -> None:
        super().__init__(socket_factory=_socket, **options)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp calls it
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        transport = connection.transport
        protocol = None if transport is None else transport.get_protocol()
        if transport is not None and isinstance(protocol, asyncio.Protocol):
            meter = protocol if isinstance(protocol, Meter) else Meter(protocol, transport)
            transport.set_protocol(meter)
            meter.begin()
            if (meters := METERS.get()) is not None:
                meters.append(meter)
        return connection


def _socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    connection = socket.socket(family, kind, protocol)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return connection
