"""An HTTP proxy between an operator and an API server that treats calls as a script says."""

import asyncio
import json
import ssl
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from support.faults import rules
from support.faults.call import Call, parse_call
from support.faults.rules import Script
from support.faults.streams import StreamCutError, faulty

_KEPT = ("Authorization", "Content-Type", "Accept")
_LONGEST_HANG = 120.0
_LONGEST_ANSWER = 10.0
_LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of an event: of an object as large as an API server takes."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call and its outcome."""

    call: Call
    at: float
    """When it came in; monotonic seconds."""
    status: int
    """The status of the API server's answer; 0 when the call never got there."""
    received: int
    """The status that the operator received; 0 when it got no answer."""
    uid: str = ""
    """The uid of the object in the answer."""


class FaultProxy:
    """Plain HTTP towards one operator, TLS towards the API server; lives in the loop it was started in.

    `tag` goes into the User-Agent of each request, so that an audit log tells one operator from another.
    """

    def __init__(self, server: str, tls: ssl.SSLContext, tag: str = "") -> None:
        self._server = server
        self._tls = tls
        self._tag = tag
        self._upstream: aiohttp.ClientSession | None = None
        self._web: web.Server | None = None
        self._listening: asyncio.Server | None = None
        self._in_flight = 0
        self._dying = asyncio.Event()
        self.dead = False
        self.script = Script()
        self.exchanges: list[Exchange] = []
        self.calls: list[tuple[float, Call]] = []
        """Every call that came in, and when (monotonic)."""
        self.port = 0

    @property
    def writes(self) -> list[Exchange]:
        """The mutating calls so far."""
        return [exchange for exchange in tuple(self.exchanges) if exchange.call.mutating]

    @property
    def busy(self) -> bool:
        """Whether a request to the API server is still unanswered, watches aside."""
        return self._in_flight > 0

    async def start(self) -> None:
        """Listen on a free port; after a death, let calls through again."""
        self.dead = False
        self._dying = asyncio.Event()
        if self._listening is None:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
            self._upstream = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            self._web = web.Server(self._handle, handler_cancellation=True)
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._web, "127.0.0.1", 0)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Cut the operator off: nothing that it sends gets through any more."""
        self.dead = True
        self._dying.set()
        for connection in self._web.connections if self._web is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """End, once the server has answered what it was asked."""
        await self.die()
        if self._listening is not None:
            for listening in self._listening.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            # A connection that is just being accepted needs a server to belong to.
            await asyncio.sleep(0)
            await self.die()
            self._listening.close()
            self._listening = None
        async with asyncio.timeout(_LONGEST_ANSWER):
            while self._in_flight:
                await asyncio.sleep(0.01)
        if self._web is not None:
            await self._web.shutdown(0.1)
        if self._upstream is not None:
            await self._upstream.close()
            self._upstream = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call = parse_call(request.method, request.path_qs, body)
        at = time.monotonic()
        if self.dead or (call.mutating and self._dying.is_set()):
            return self._hang_up(request)
        self.calls.append((at, call))
        action = self.script.decide(call)
        if call.verb == "watch":
            return await self._watch(request, action)
        return await self._exchange(request, call, action, body, at)

    async def _exchange(
        self, request: web.BaseRequest, call: Call, action: rules.Action | None, body: bytes, at: float
    ) -> web.StreamResponse:
        match action:
            case rules.Answer(status=status):
                self._note(call, at, 0, status)
                return _failure(action)
            case rules.Cut(after=after):
                await asyncio.sleep(after)
                self._note(call, at, 0, 0)
                return self._hang_up(request)
            case rules.Hold(seconds=seconds):
                await asyncio.sleep(seconds)
            case rules.Die():
                self._dying.set()
        # The server finishes what it has begun, even if the caller is gone.
        status, headers, raw = await asyncio.shield(self._carry_out(request, call, action, body, at))
        if isinstance(action, rules.DelayAnswer):
            await asyncio.sleep(action.seconds)
        elif isinstance(action, rules.LoseAnswer) and not action.cut:
            await asyncio.sleep(_LONGEST_HANG)
        if isinstance(action, rules.LoseAnswer | rules.Die) or self.dead:
            return self._hang_up(request)
        return web.Response(status=status, headers=headers, body=raw)

    async def _carry_out(
        self, request: web.BaseRequest, call: Call, action: rules.Action | None, body: bytes, at: float
    ) -> tuple[int, dict[str, str], bytes]:
        self._in_flight += 1
        try:
            status, headers, raw = await self._forward(request, call, action, body)
        finally:
            self._in_flight -= 1
        lost = isinstance(action, rules.LoseAnswer | rules.Die) or self.dead
        self._note(call, at, status, 0 if lost else status, raw)
        if isinstance(action, rules.Die):
            while self._in_flight:
                await asyncio.sleep(0.005)
            await self.die()
        return status, headers, raw

    async def _forward(
        self, request: web.BaseRequest, call: Call, action: rules.Action | None, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        assert self._upstream is not None
        target = request.path_qs
        if isinstance(action, rules.ListAsOf) and call.verb == "list":
            older = {"resourceVersion": str(action.resource_version), "resourceVersionMatch": "Exact"}
            kept = {name: value for name, value in call.query.items() if name == "labelSelector"}
            target = str(request.rel_url.with_query({**kept, **older}))
        elif isinstance(action, rules.SmallPages) and call.verb == "list" and "limit" in call.query:
            target = str(request.rel_url.update_query({"limit": str(action.limit)}))
        async with self._upstream.request(
            request.method, self._server + target, headers=self._headers(request), data=body or None
        ) as response:
            raw = await response.read()
        wanted = ("Content-Type", "Retry-After", "Warning")
        headers = {name: response.headers[name] for name in wanted if name in response.headers}
        return response.status, headers, raw

    async def _watch(self, request: web.BaseRequest, action: rules.Action | None) -> web.StreamResponse:
        match action:
            case rules.Answer():
                return _failure(action)
            case rules.Cut(after=after):
                await asyncio.sleep(after)
                return self._hang_up(request)
        assert self._upstream is not None
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._upstream.get(
            self._server + request.path_qs,
            headers=self._headers(request),
            timeout=timeout,
            max_line_size=_LONGEST_LINE,
            read_bufsize=_LONGEST_LINE,
        ) as response:
            answer = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
            await answer.prepare(request)
            faults = action if isinstance(action, rules.StreamFaults) else rules.StreamFaults()
            try:
                async with aclosing(faulty(aiter(response.content), faults, self.script.rng)) as lines:
                    async for line in lines:
                        await answer.write(line)
            except StreamCutError:
                return self._hang_up(request, answer)
            except ConnectionError:
                pass  # The operator has gone.
        return answer

    def _headers(self, request: web.BaseRequest) -> dict[str, str]:
        kept = {name: request.headers[name] for name in _KEPT if name in request.headers}
        agent = request.headers.get("User-Agent", "")
        return {**kept, "User-Agent": f"{agent} {self._tag}".strip(), "Accept-Encoding": "identity"}

    def _note(self, call: Call, at: float, status: int, received: int, raw: bytes = b"") -> None:
        if call.verb in {"get", "list"}:
            return
        answer = json.loads(raw) if raw else {}
        uid = str((answer.get("metadata") or {}).get("uid") or "") if isinstance(answer, dict) else ""
        self.exchanges.append(Exchange(call, at, status, received, uid))

    def _hang_up(
        self, request: web.BaseRequest, begun: web.StreamResponse | None = None
    ) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return begun or web.Response(status=503)


def _failure(action: rules.Answer) -> web.Response:
    headers = {} if action.retry_after is None else {"Retry-After": str(action.retry_after)}
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"{action.reason}, so the test says",
        "reason": action.reason,
        "code": action.status,
    }
    return web.json_response(body, status=action.status, headers=headers)
