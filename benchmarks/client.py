"""The harness's own client: raw JSON over TLS, without anything that costs time."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import orjson

T = TypeVar("T")

MERGE_PATCH = "application/merge-patch+json"
NOT_FOUND = 404
POSTS_IN_FLIGHT = 32


class RefusedError(Exception):
    """The API server refused a request."""

    def __init__(self, method: str, path: str, status: int, words: str) -> None:
        super().__init__(f"{method} {path}: {status} {words[:300]}")
        self.status = status


class Client:
    """Requests to one API server."""

    def __init__(self, server: str, tls: ssl.SSLContext, token: str = "") -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0, keepalive_timeout=300),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        **params: str,
    ) -> dict[str, Any]:
        """The answer to one request. Raises RefusedError for anything but success."""
        data = None if body is None else orjson.dumps(body)
        headers = {**self._headers, "Content-Type": content_type}
        url = self._server + path
        async with self._session.request(method, url, data=data, headers=headers, params=params) as answer:
            raw = await answer.read()
            if not answer.ok:
                raise RefusedError(method, path, answer.status, raw.decode(errors="replace"))
            return orjson.loads(raw)  # type: ignore[no-any-return]  # the API server answers objects

    async def lines(self, path: str, **params: str) -> AsyncIterator[bytes]:
        """The lines of a watch until it ends. Raises RefusedError if it does not begin."""
        url, rest = self._server + path, b""
        async with self._session.get(url, headers=self._headers, params=params) as answer:
            if not answer.ok:
                raise RefusedError("WATCH", path, answer.status, await answer.text())
            async for piece in answer.content.iter_any():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield line

    async def create_if_absent(self, path: str, body: Mapping[str, Any]) -> None:
        if not await self.exists(f"{path}/{body['metadata']['name']}"):
            await self.call("POST", path, body)

    async def exists(self, path: str) -> bool:
        try:
            await self.call("GET", path)
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return True


def tls_of(authority: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A TLS context that trusts this authority, with the client certificate if one is given."""
    context = ssl.create_default_context(cafile=str(authority))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


async def spread(
    items: Iterable[T], send: Callable[[T], Awaitable[object]], in_flight: int = POSTS_IN_FLIGHT
) -> None:
    """Send all items in order, `in_flight` at a time. Raises the first failure."""
    left = iter(items)

    async def sender() -> None:
        for item in left:
            await send(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(sender())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
