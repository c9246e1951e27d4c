"""The client of Prometheus' HTTP API: one query, one number, or why there is none."""

import asyncio
import math
import ssl
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from rayfleet import __version__
from rayfleet.autoscaling.metrics import MetricQuery, QueryFailure
from rayfleet.kube.client.credentials import BearerToken, CredentialsError

LARGEST_ANSWER = 64 * 1024
"""Bytes. One sample is a few hundred; a larger answer belongs to another kind of query."""
_SHOWN = 200
"""Characters shown of a server's message."""
_KEEP_ALIVE = 60.0
_HINTS = {
    HTTPStatus.UNAUTHORIZED: "check the query's tokenFile",
    HTTPStatus.FORBIDDEN: "let the token's user read this query",
    HTTPStatus.NOT_FOUND: "check the path of the query's server; /api/v1/query is added to it",
}


class _UnusableError(Exception):
    """Why there is no value; the message continues "the query 'x' failed: "."""


class PrometheusClient:
    """Instant queries to the servers in the operator's settings.

    Every error is a `QueryFailure`. Certificates are checked and redirects are not followed, so that a token
    reaches only its own server, and no failure message holds the token.
    """

    def __init__(self) -> None:
        self._open: aiohttp.ClientSession | None = None
        self._tokens: dict[str, BearerToken] = {}
        self._tls: dict[tuple[str, int], ssl.SSLContext] = {}
        """By CA file and its modification time; reused, because connections are pooled by context."""

    async def close(self) -> None:
        """Close every connection; the next query opens new ones."""
        session, self._open = self._open, None
        if session is not None:
            await session.close()

    async def ask(self, query: MetricQuery, namespace: str, cluster: str) -> float | QueryFailure:
        """The value of `query` for one cluster: finite, and at least 0."""
        try:
            async with asyncio.timeout(query.timeout_seconds):
                return await self._value(query, query.promql.render(namespace, cluster))
        except TimeoutError:
            why = f"no answer within {query.timeout_seconds:g} s"
        except (_UnusableError, ValueError) as unusable:
            why = str(unusable)
        except (aiohttp.ClientError, OSError) as error:
            why = f"no answer: {error or type(error).__name__}"
        return QueryFailure(f"the query '{query.name}' failed: {self._without_secrets(query, why)}")

    async def _value(self, query: MetricQuery, promql: str) -> float:
        headers = {"Accept": "application/json"}
        token = self._token(query)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self._session().get(
            f"{query.server.rstrip('/')}/api/v1/query",
            params={"query": promql, "timeout": f"{math.ceil(query.timeout_seconds * 1000)}ms"},
            headers=headers,
            ssl=self._authorities(query),
            allow_redirects=False,
        ) as response:
            raw = await _body(response)
            if token is not None:
                # Before any of it is quoted and cut.
                raw = raw.replace(token.encode("ascii"), b"***")
            if response.status == HTTPStatus.UNAUTHORIZED and query.token_file is not None:
                self._tokens[query.token_file].reread()
            return value_from(response.status, raw)

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None:
            self._open = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Nothing is decompressed: a small answer must not become a large one.
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"User-Agent": f"rayfleet/{__version__}", "Accept-Encoding": "identity"},
            )
        return self._open

    def _authorities(self, query: MetricQuery) -> ssl.SSLContext | bool:
        if query.ca_file is None or not query.server.startswith("https:"):
            return True
        try:
            version = query.ca_file, Path(query.ca_file).stat().st_mtime_ns
            if version not in self._tls:
                self._tls[version] = ssl.create_default_context(cafile=query.ca_file)
                # As for the API server: Python 3.13 is stricter about CAs than the tools that issue them.
                self._tls[version].verify_flags &= ~ssl.VERIFY_X509_STRICT
        except (OSError, ssl.SSLError) as error:
            reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise _UnusableError(f"its caFile {query.ca_file} cannot be used: {reason}") from None
        return self._tls[version]

    def _token(self, query: MetricQuery) -> str | None:
        if query.token_file is None:
            return None
        if query.token_file not in self._tokens:
            self._tokens[query.token_file] = BearerToken(Path(query.token_file), time.monotonic)
        try:
            token = self._tokens[query.token_file].current()
        except CredentialsError:
            raise _UnusableError(
                f"its tokenFile {query.token_file} cannot be read: mount it, or name another"
            ) from None
        if not token or not token.isprintable() or " " in token:
            raise _UnusableError(f"its tokenFile {query.token_file} must hold one token and nothing else")
        return token

    def _without_secrets(self, query: MetricQuery, words: str) -> str:
        """The message as one line without the token, wherever it came from."""
        known = self._tokens.get(query.token_file or "")
        try:
            token = known.current() if known is not None else None
        except CredentialsError:
            token = None
        return " ".join((words.replace(token, "***") if token else words).split())[: 2 * _SHOWN]


def value_from(status: int, raw: bytes) -> float:
    """The single sample of an answer. Raises _UnusableError for anything that cannot be a queue length."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise _UnusableError(
            f"HTTP {status}, a redirect, which is not followed: set the final address as server"
        )
    if status != HTTPStatus.OK:
        raise _UnusableError(f"HTTP {status}{_server_words(body)}{_hint(status)}")
    if not isinstance(body, dict) or body.get("status") != "success":
        raise _UnusableError(
            f"the answer does not come from Prometheus{_server_words(body)}: check the query's server"
        )
    if body.get("warnings"):
        # Part of the data may be missing, and with it part of the queue.
        raise _UnusableError(f"the answer has a warning: {str(body['warnings'])[:_SHOWN]}")
    return _number(_sample(body.get("data")))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST_ANSWER:
            raise _UnusableError(
                f"the answer is larger than {LARGEST_ANSWER // 1024} KiB: ask for one series"
            )
    return bytes(raw)


def _hint(status: int) -> str:
    hint = _HINTS.get(HTTPStatus(status)) if status in _HINTS else None
    return f": {hint}" if hint else ""


def _server_words(body: Any) -> str:  # noqa: ANN401 - whatever JSON the server sent
    message = body.get("error") if isinstance(body, dict) else None
    return f" ({message[:_SHOWN]})" if isinstance(message, str) and message else ""


def _sample(data: Any) -> Any:  # noqa: ANN401 - whatever JSON the server sent
    """The `[time, value]` of an answer with exactly one."""
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if kind == "scalar":
        return result
    if kind != "vector" or not isinstance(result, list):
        raise _UnusableError(f"the answer is a {str(kind)[:20]}: ask for a scalar or an instant vector")
    if not result:
        raise _UnusableError("there is no series: if that means 0, add `or vector(0)` to the query")
    if len(result) > 1:
        raise _UnusableError(f"there are {len(result)} series: put sum() or max() around the query")
    return result[0].get("value") if isinstance(result[0], dict) else None


def _number(sample: Any) -> float:  # noqa: ANN401 - whatever JSON the server sent
    if not isinstance(sample, list) or len(sample) != 2 or not isinstance(sample[1], str):  # noqa: PLR2004 - a pair
        raise _UnusableError("the answer has no number: query a counter or a gauge, not a histogram")
    try:
        value = float(sample[1])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise _UnusableError(
            f"the value is {sample[1][:30]}: it must be a finite number that is not negative"
        )
    return value + 0.0
