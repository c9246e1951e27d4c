"""The client of the Kubernetes API: raw objects in and out, expected failures as values."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO
from math import inf
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import aiohttp
import orjson

from rayfleet.errors import NO_ANSWER, ApiFailure, Policy, policy
from rayfleet.kube.client.answers import Listing, answer_from, listing_from, no_answer, warnings_from
from rayfleet.kube.client.bursts import gulps
from rayfleet.kube.client.calls import MUTATING, ApiCalls
from rayfleet.kube.client.credentials import BearerToken, Credentials
from rayfleet.kube.client.decoding import decoded, decoded_object
from rayfleet.kube.client.lines import LineSplitter, LineTooLongError
from rayfleet.kube.client.server_clock import ServerClock
from rayfleet.kube.client.sessions import CONNECT_TIMEOUT, Sessions

Answer: TypeAlias = dict[str, Any] | ApiFailure
Params: TypeAlias = Mapping[str, str]
T = TypeVar("T")

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
FIELD_MANAGER = "rayfleet"
METHODS: Mapping[str, tuple[str, str]] = {
    "get": ("GET", JSON),
    "list": ("GET", JSON),
    "create": ("POST", JSON),
    "review": ("POST", JSON),
    "patch": ("PATCH", MERGE_PATCH),
    "json-patch": ("PATCH", JSON_PATCH),
    "delete": ("DELETE", JSON),
}
"""HTTP method and content type per verb. A review asks who may do what, and stores nothing."""

NOT_LEADING = ApiFailure(NO_ANSWER, "NotLeading", "not sent: this operator is not the leader (any more)")
"""The result of a write that may not be sent."""

_TROUBLE = (aiohttp.ClientError, OSError, LineTooLongError, orjson.JSONDecodeError)
"""What a request may raise when the server or the network is at fault; TimeoutError is an OSError."""
_LARGE = 1024 * 1024
"""Bytes above which a body is sent in pieces, so that the event loop is not held up."""


class KubeClient:
    """Requests to one API server.

    - A method returns the answer, or an `ApiFailure` for everything that can be expected to go wrong.
    - After a 401 the token is read again; if it has changed, the request is sent once more.
    - At most `connections` requests are under way at a time, not counting watches.
    - Paths start at the server's root, such as `/api/v1/namespaces/default/pods`.
    - A write is sent only while `may_write` returns more than 0 seconds, and may take no longer than that.
      `kube/leases/elector.py` says why.

    Raises CredentialsError if the credentials' files cannot be used at all.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        connections: int = 64,
        timeout: float = 30.0,
        may_write: Callable[[], float] = lambda: inf,
        calls: ApiCalls | None = None,
        clock: ServerClock | None = None,
    ) -> None:
        self.clock = ServerClock() if clock is None else clock
        self.calls = ApiCalls() if calls is None else calls
        self._may_write = may_write
        self._server = credentials.server.rstrip("/")
        self._timeout = timeout
        self._token = BearerToken(credentials.token, time.monotonic)
        self._sessions = Sessions(credentials, connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._sessions.close()

    async def get(self, path: str, params: Params | None = None, *, within: float | None = None) -> Answer:
        """Read an object, or anything else with a single JSON answer."""
        return await self.request("get", path, params=params, within=within)

    async def create(
        self,
        path: str,
        body: Mapping[str, Any],
        params: Params | None = None,
        *,
        within: float | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> Answer:
        """Create an object in the collection at `path`; `warn` is called with each warning of the server."""
        params = {"fieldManager": FIELD_MANAGER, **(params or {})}
        return await self.request("create", path, params=params, body=body, within=within, warn=warn)

    async def delete(
        self, path: str, uid: str, grace: int | None = None, *, within: float | None = None
    ) -> Answer:
        """Delete the object only if it still has this uid; `grace` is in seconds."""
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        return await self.request("delete", path, body=body, within=within)

    async def patch_status(
        self, path: str, body: Mapping[str, Any], *, within: float | None = None
    ) -> Answer:
        """Merge-patch the status subresource at `path` (which ends in `/status`)."""
        params = {"fieldManager": FIELD_MANAGER}
        return await self.request("patch", path, params=params, body=body, within=within)

    async def request(  # noqa: PLR0913 - by name, each with a default
        self,
        verb: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        accept: str = JSON,
        within: float | None = None,
        warn: Callable[[str], None] | None = None,
        decode: Callable[[bytes], Any] | None = None,
    ) -> Answer:
        """Send a request and decode its answer. `verb` is one of METHODS, `within` the seconds for it all.

        `decode` is for an object of which only parts are read; it raises errors as orjson does.
        """
        seconds = self._timeout if within is None else within
        method, content_type = METHODS[verb]
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = orjson.dumps(body)

        async def send(token: str | None) -> Answer:
            left = self._may_write() if verb in MUTATING else inf
            if left <= 0:
                return NOT_LEADING
            sent = self.clock.begin()
            async with self._sessions.requests.request(
                method,
                self._server + path,
                params=params,
                data=BytesIO(data) if data is not None and len(data) > _LARGE else data,
                headers=_with_token(headers, token),
                timeout=aiohttp.ClientTimeout(total=min(seconds, left), sock_connect=CONNECT_TIMEOUT),
                allow_redirects=False,
            ) as response:
                self.clock.hear(response.headers.get("Date"), sent)
                raw = await response.read()
            self.calls.count("patch" if verb == "json-patch" else verb, response.status)
            if warn is not None:
                for warning in warnings_from(response.headers.getall("Warning", ())):
                    warn(warning)
            # A list is no single object: its first item alone would be cut, by a copy of the page.
            usual = decoded if verb == "list" else decoded_object
            return answer_from(response.status, response.headers.get("Retry-After"), raw, decode or usual)

        return await self._with_fresh_token(send, verb, seconds)

    async def list_pages(
        self, path: str, params: Params | None = None, *, limit: int = 500, accept: str = JSON
    ) -> AsyncGenerator[Listing | ApiFailure, None]:
        """A consistent list, page by page; a failure ends it. `limit` 0 returns all in one page.

        Status 410 means that the continue token has expired: discard the pages read so far.
        """
        query = dict(params or {})
        if limit:
            query["limit"] = str(limit)
        while True:
            answer = await self.request("list", path, params=query, accept=accept)
            page = answer if isinstance(answer, ApiFailure) else listing_from(answer)
            yield page
            if isinstance(page, ApiFailure) or not page.continue_token:
                return
            query["continue"] = page.continue_token

    async def list_all(
        self, path: str, params: Params | None = None, *, accept: str = JSON
    ) -> Listing | ApiFailure:
        """A consistent list, read in pages, or in one piece if the pages expire meanwhile."""
        for limit in (500, 0):
            items: list[dict[str, Any]] = []
            async for page in self.list_pages(path, params, limit=limit, accept=accept):
                if isinstance(page, ApiFailure):
                    if policy(page) is Policy.EXPIRED and limit:
                        break
                    return page
                items += page.items
                if not page.continue_token:
                    return Listing(items, page.resource_version)
        raise AssertionError("unreachable: a list without a limit ends in an answer or a failure")

    async def list_metadata(self, path: str, params: Params | None = None) -> Listing | ApiFailure:
        """A consistent list of the objects' metadata only."""
        return await self.list_all(path, params, accept=METADATA_ONLY)

    async def watch(
        self,
        path: str,
        params: Params | None = None,
        *,
        silence: float = 90.0,
        on_open: Callable[[], None] | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """The raw events of a watch: `{"type": ..., "object": ...}`, including bookmarks and errors.

        Ends quietly when the server ends it; otherwise its last item is the failure, which has no status
        if the stream was cut or nothing came for `silence` seconds. `on_open` is called at its start.
        A caller that leaves it early must close it (`contextlib.aclosing`).
        """
        query = {**(params or {}), "watch": "true"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=silence)

        async def send(token: str | None) -> aiohttp.ClientResponse | ApiFailure:
            headers = _with_token({"Accept": JSON}, token)
            async with asyncio.timeout(self._timeout):
                response = await self._sessions.watches.get(
                    self._server + path, params=query, headers=headers, timeout=timeout, allow_redirects=False
                )
                self.calls.count("watch", response.status)
                if response.status == HTTPStatus.OK:
                    return response
                async with response:
                    raw = await response.read()
            answer = answer_from(response.status, response.headers.get("Retry-After"), raw)
            return (
                answer
                if isinstance(answer, ApiFailure)
                else ApiFailure(NO_ANSWER, "BadAnswer", "not a stream")
            )

        response = await self._with_fresh_token(send, "watch", self._timeout)
        if isinstance(response, ApiFailure):
            yield response
            return
        if on_open is not None:
            on_open()
        lines = LineSplitter()
        try:
            async for chunk in gulps(response):
                for line in lines.feed(chunk):
                    event = decoded_object(line)
                    if not isinstance(event, dict):
                        yield ApiFailure(
                            NO_ANSWER, "BadAnswer", "the stream holds something other than events"
                        )
                        return
                    yield event
        except TimeoutError:
            yield ApiFailure(NO_ANSWER, "Silent", f"nothing came from {self._server} for {silence:g} s")
        except _TROUBLE as error:
            yield no_answer(error, self._server)
        finally:
            _hang_up(response)

    async def _with_fresh_token(
        self, send: Callable[[str | None], Awaitable[T | ApiFailure]], verb: str, seconds: float
    ) -> T | ApiFailure:
        """Send, and send once more if the server refuses the token and it has been replaced by now."""
        used = self._token.current()
        answer = await self._attempt(send(used), verb, seconds)
        if isinstance(answer, ApiFailure) and policy(answer) is Policy.UNAUTHENTICATED:
            token = self._token.reread()
            if token != used:
                answer = await self._attempt(send(token), verb, seconds)
        return answer

    async def _attempt(self, sending: Awaitable[T | ApiFailure], verb: str, seconds: float) -> T | ApiFailure:
        try:
            return await sending
        except _TROUBLE as error:
            self.calls.count(verb, NO_ANSWER)
            return no_answer(error, self._server, seconds)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Leave a stream at once: an orderly close would wait for a server that has nothing more to send."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def _with_token(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    return {**headers, "Authorization": f"Bearer {token}"} if token else dict(headers)
