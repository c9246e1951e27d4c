"""HTTP to the dashboards of all heads: bytes out, a bounded answer or a failure in."""

import asyncio
from collections.abc import Mapping
from io import BytesIO
from typing import Final

import aiohttp
from msgspec import Struct
from yarl import URL

from rayfleet import __version__
from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard.answers import Reply
from rayfleet.ray.dashboard.bounds import LARGEST_REFUSAL
from rayfleet.ray.dashboard.metered import METERS, Meter, MeteredConnector
from rayfleet.ray.dashboard.slots import Slots

KEEP_ALIVE: Final = 3.0
"""Seconds that an idle connection is kept: until the next poll of a job that starts or ends, no longer."""
FREE_BYTES: Final = 64 << 10
"""Bytes of an answer that are read at once. A larger one waits for a place: all together take little."""
LARGE_ANSWERS: Final = 16
LARGE_ANSWERS_OF_ONE: Final = 4
"""Places for large answers, in all and for one namespace."""
_LARGE: Final = 1 << 20
"""Bytes above which a submission is sent in pieces, so that the event loop is not held up."""
_PLAIN: Final = frozenset({"", "identity"})


class Request(Struct, frozen=True):
    """One request to a head."""

    address: str
    """`host:port`."""
    path: str
    """Quoted."""
    most: int
    """Bytes of the answer's body, if it is a success."""
    seconds: float
    """How long it may take until the answer is complete."""
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    """What to POST; None for a GET."""
    namespace: str = ""
    """In whose turns a large answer is read."""

    def __repr__(self) -> str:
        return f"Request({self.address!r}, {self.path!r})"  # Not the token, nor what is submitted.


class DashboardSession:
    """Connections to any number of heads, opened on first use, inside the event loop.

    No redirect is followed, no cookie kept, no proxy used, and nothing unpacked that is compressed.
    """

    def __init__(self) -> None:
        self._open: tuple[aiohttp.ClientSession, aiohttp.ClientSession] | None = None
        self._large = Slots(LARGE_ANSWERS, LARGE_ANSWERS_OF_ONE)

    async def ask(self, request: Request) -> Reply | DashboardFailure:
        """The answer to a request, within its seconds."""
        meters: list[Meter] = []
        METERS.set(meters)
        try:
            async with asyncio.timeout(request.seconds):
                return await self._answer(request)
        except TimeoutError:
            message = f"no complete answer from {request.address} within {request.seconds:g} s"
            return DashboardFailure(DashboardTrouble.TIMEOUT, message)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if any(meter.cut for meter in meters):
                return _too_large("it costs too much to read")
            return _failure(request.address, error)

    async def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        sessions, self._open = self._open or (), None
        for session in sessions:
            await session.close()

    async def _answer(self, request: Request) -> Reply | DashboardFailure:
        # A POST gets a connection of its own: on one that is closed at this moment it would be lost.
        polls, writes = self._sessions()
        session, method = (polls, "GET") if request.body is None else (writes, "POST")
        url = URL(f"http://{request.address}{request.path}", encoded=True)
        body = request.body
        async with session.request(
            method,
            url,
            headers=request.headers,
            data=BytesIO(body) if body is not None and len(body) > _LARGE else body,
            allow_redirects=False,
        ) as response:
            encoding = response.headers.get("Content-Encoding", "").lower()
            if encoding not in _PLAIN:
                return DashboardFailure(
                    DashboardTrouble.INVALID, "the answer is compressed, which was not asked for"
                )
            succeeded = response.status == 200  # noqa: PLR2004 - Ray has no other
            most = request.most if succeeded else LARGEST_REFUSAL
            raw = await self._body(response, most, request.namespace)
            if succeeded and len(raw) > most:
                return _too_large(f"it has more than {most >> 10} KiB")
            return Reply(response.status, bytes(raw[:most]))

    async def _body(self, response: aiohttp.ClientResponse, most: int, namespace: str) -> bytearray:
        """The body, or its start with more than `most` bytes."""
        body = bytearray()
        await _read(response, body, min(most, FREE_BYTES))
        if len(body) > FREE_BYTES and len(body) <= most:
            async with self._large.one(namespace):
                await _read(response, body, most)
        return body

    def _sessions(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        if self._open is None:
            self._open = (
                _session(MeteredConnector(limit=0, keepalive_timeout=KEEP_ALIVE)),
                _session(MeteredConnector(limit=0, force_close=True)),
            )
        return self._open


async def _read(response: aiohttp.ClientResponse, body: bytearray, most: int) -> None:
    """Read on into `body` until the end, or until it has more than `most` bytes."""
    while len(body) <= most and (chunk := await response.content.readany()):
        body += chunk


def _session(connector: MeteredConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # Each request has its own.
        auto_decompress=False,
        headers={"User-Agent": f"rayfleet/{__version__}", "Accept-Encoding": "identity"},
    )


def _too_large(why: str) -> DashboardFailure:
    return DashboardFailure(DashboardTrouble.TOO_LARGE, f"the answer is too large: {why}")


def _failure(address: str, error: Exception) -> DashboardFailure:
    """The failure behind an error. Its text may hold what the head has sent, so only ours is shown."""
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return DashboardFailure(DashboardTrouble.INVALID, f"the answer from {address} is not whole HTTP")
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.strerror or str(error.os_error)
    elif isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        why = "the connection was cut"
    else:
        why = type(error).__name__
    return DashboardFailure(DashboardTrouble.UNREACHABLE, f"{address}: {why}")
