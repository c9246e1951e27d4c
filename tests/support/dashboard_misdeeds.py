"""What a head's dashboard may do instead of answering."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from enum import StrEnum, auto
from typing import TypeAlias

from aiohttp import web


class Misdeed(StrEnum):
    """What a head may do instead of answering."""

    BLACK_HOLE = auto()
    """It accepts requests and never answers."""
    SLOW_BODY = auto()
    """An answer of a byte every 20 ms."""
    ENDLESS = auto()
    """100 MB, without saying so before."""
    HUGE = auto()
    """100 MB, as its header says."""
    REDIRECT = auto()
    """It points to `elsewhere`."""
    HTML = auto()
    """The page of another program."""
    BROKEN_JSON = auto()
    SERVER_ERROR = auto()
    """Status 500 with a body that would be right."""
    WRONG_JOB = auto()
    """The answer to another question."""
    GZIP = auto()
    """A right answer, compressed though nobody asked for that."""
    BOMB = auto()
    """A hundred megabytes of blanks, compressed."""
    NO_ROUTE = auto()
    """A server without a job API."""
    STARTING = auto()
    """Questions are answered, submissions not yet."""


Right: TypeAlias = Callable[[web.Request], Awaitable[bytes]]
"""The body of the answer that would be right."""
Misbehaving: TypeAlias = Callable[[web.Request, Right, str], Awaitable[web.StreamResponse]]


async def _black_hole(_: web.Request, __: Right, ___: str) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable: nobody sets that event")


async def _stream(request: web.Request, piece: bytes, pause: float, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = length
    await response.prepare(request)
    sent = 0
    while sent < (length or 100_000_000):
        await response.write(piece)
        sent += len(piece)
        await asyncio.sleep(pause)
    return response


async def _slow(request: web.Request, _: Right, __: str) -> web.StreamResponse:
    return await _stream(request, b" ", 0.02, 100_000)


async def _endless(request: web.Request, _: Right, __: str) -> web.StreamResponse:
    return await _stream(request, b" " * 1_000_000, 0.0, None)


async def _huge(request: web.Request, _: Right, __: str) -> web.StreamResponse:
    return await _stream(request, b" " * 1_000_000, 0.0, 100_000_000)


async def _redirect(_: web.Request, __: Right, elsewhere: str) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": elsewhere})


async def _html(_: web.Request, __: Right, ___: str) -> web.StreamResponse:
    return web.Response(text="<html>Sign in</html>", content_type="text/html")


async def _broken(request: web.Request, right: Right, _: str) -> web.StreamResponse:
    return web.Response(body=(await right(request))[:-1], content_type="application/json")


async def _server_error(request: web.Request, right: Right, _: str) -> web.StreamResponse:
    return web.Response(status=500, body=await right(request), content_type="application/json")


async def _wrong_job(request: web.Request, _: Right, __: str) -> web.StreamResponse:
    if request.method == "POST":
        return web.json_response({"job_id": "other", "submission_id": "other"})
    return web.json_response({"submission_id": "other", "status": "SUCCEEDED"})


async def _gzip(request: web.Request, right: Right, _: str) -> web.StreamResponse:
    packed = gzip.compress(await right(request))
    return web.Response(body=packed, headers={"Content-Encoding": "gzip"})


async def _bomb(_: web.Request, __: Right, ___: str) -> web.StreamResponse:
    return web.Response(body=gzip.compress(b" " * 1_000_000) * 100, headers={"Content-Encoding": "gzip"})


async def _no_route(_: web.Request, __: Right, ___: str) -> web.StreamResponse:
    raise web.HTTPNotFound


MISDEEDS: dict[Misdeed, Misbehaving] = {
    Misdeed.BLACK_HOLE: _black_hole,
    Misdeed.SLOW_BODY: _slow,
    Misdeed.ENDLESS: _endless,
    Misdeed.HUGE: _huge,
    Misdeed.REDIRECT: _redirect,
    Misdeed.HTML: _html,
    Misdeed.BROKEN_JSON: _broken,
    Misdeed.SERVER_ERROR: _server_error,
    Misdeed.WRONG_JOB: _wrong_job,
    Misdeed.GZIP: _gzip,
    Misdeed.BOMB: _bomb,
    Misdeed.NO_ROUTE: _no_route,
}
