"""A query gives a number, or a sentence that says why not, whatever the server does."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rayfleet.autoscaling.metrics import MetricQuery, QueryFailure, parse_template
from rayfleet.kinds.raycluster.sources.prometheus import LARGEST_ANSWER, PrometheusClient
from support.wire import Answering, Wire, hangs_up, says, says_nothing, streams, wire

BEARER = "s3cret-" + "0123456789abcdef" * 30


def query(server: Wire | str, **options: Any) -> MetricQuery:
    address = server if isinstance(server, str) else server.url
    return MetricQuery("waiting", address, parse_template('sum(q{c="$cluster"})'), **options)


def vector(*values: object) -> dict[str, object]:
    result = [{"metric": {"i": str(i)}, "value": [1.5, value]} for i, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@asynccontextmanager
async def _client() -> AsyncIterator[PrometheusClient]:
    client = PrometheusClient()
    try:
        yield client
    finally:
        await client.close()


async def _ask(*answers: Answering, **options: Any) -> float | QueryFailure:
    async with wire(*answers) as server, _client() as client:
        return await client.ask(query(server, **options), "team-a", "demo")


async def test_the_query_is_asked_for_one_cluster() -> None:
    """The request has a time limit for the server too, and no token if none is given."""
    async with wire(says(vector("12.5"))) as server, _client() as client:
        assert await client.ask(query(server.url + "/prefix/"), "team-a", "demo") == 12.5
        address = urlsplit(server.requests[0].target)
        assert address.path == "/prefix/api/v1/query"
        assert parse_qs(address.query) == {"query": ['sum(q{c="demo"})'], "timeout": ["5000ms"]}
        assert "authorization" not in server.requests[0].headers


async def test_connections_are_reused() -> None:
    """Successive requests share one."""
    async with wire(says(vector("1"))) as server, _client() as client:
        for _ in range(3):
            assert await client.ask(query(server), "team-a", "demo") == 1
        assert server.connections == 1


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (vector("0"), 0.0),
        (vector("-0"), 0.0),
        (vector("1e3"), 1000.0),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "7"]}}, 7.0),
        (vector("3") | {"infos": ["metric might not be a counter"]}, 3.0),
    ],
)
async def test_a_scalar_or_a_vector_of_one_is_a_value(data: object, value: float) -> None:
    """It is never below zero."""
    assert await _ask(says(data)) == value


SUCCESS = {"status": "success"}
FAILURES: list[tuple[Answering, str]] = [
    (says(vector()), "there is no series: if that means 0, add `or vector(0)` to the query"),
    (says(vector("1", "2")), "there are 2 series: put sum() or max() around the query"),
    (says(vector("NaN")), "the value is NaN: it must be a finite number"),
    (says(vector("+Inf")), "the value is +Inf"),
    (says(vector("-Inf")), "the value is -Inf"),
    (says(vector("1e999")), "the value is 1e999"),
    (says(vector("-1")), "the value is -1"),
    (says(vector("many")), "the value is many"),
    (says(vector(5)), "the answer has no number"),
    (says(vector(None)), "the answer has no number"),
    (says(SUCCESS | {"data": {"resultType": "vector", "result": [{"histogram": [1, {}]}]}}), "a histogram"),
    (says(SUCCESS | {"data": {"resultType": "vector", "result": [1]}}), "the answer has no number"),
    (says(SUCCESS | {"data": {"resultType": "vector", "result": None}}), "the answer is a vector"),
    (says(SUCCESS | {"data": {"resultType": "matrix", "result": []}}), "the answer is a matrix"),
    (says(SUCCESS | {"data": {"resultType": "string", "result": [1, "5"]}}), "the answer is a string"),
    (says(SUCCESS), "the answer is a None"),
    (says(vector("1") | {"warnings": ["a store is away"]}), "has a warning: ['a store is away']"),
    (says({"status": "error", "error": "boom"}), "the answer does not come from Prometheus (boom)"),
    (says(b"<html>hello</html>"), "the answer does not come from Prometheus"),
    (says(b"[]"), "the answer does not come from Prometheus"),
    (says(gzip.compress(b"{}"), 200, "Content-Encoding: gzip"), "the answer does not come from Prometheus"),
    (says({"status": "error", "error": "parse error: x"}, 400), "HTTP 400 (parse error: x)"),
    (says(b"", 401), "HTTP 401: check the query's tokenFile"),
    (says(b"no", 403), "HTTP 403: let the token's user read this query"),
    (says(b"no", 404), "HTTP 404: check the path of the query's server"),
    (says({"error": "timed\nout"}, 503), "HTTP 503 (timed out)"),
    (says(b"", 999), "HTTP 999"),
    (says(vector("1"), 302, "Location: http://elsewhere/"), "HTTP 302, a redirect, which is not followed"),
    (says(b" " * (LARGEST_ANSWER + 1)), "larger than 64 KiB"),
    (streams(*[b" " * 16384] * 5, then="silent"), "larger than 64 KiB"),
    (streams(b'{"status"', then="cut"), "no answer: "),
    (hangs_up, "no answer: Server disconnected"),
]


@pytest.mark.parametrize(("answer", "words"), FAILURES)
async def test_any_other_answer_is_a_failure_that_names_the_query(answer: Answering, words: str) -> None:
    """It has one line, with the remedy if that is known."""
    failure = await _ask(answer)
    assert isinstance(failure, QueryFailure), failure
    assert failure.message.startswith("the query 'waiting' failed: ")
    assert words in failure.message
    assert "\n" not in failure.message
    assert len(failure.message) < 500


async def test_a_redirect_is_not_followed() -> None:
    """That holds even for the same server."""
    async with (
        wire(says(b"", 307, "Location: /api/v1/query"), says(vector("1"))) as server,
        _client() as client,
    ):
        assert isinstance(await client.ask(query(server), "team-a", "demo"), QueryFailure)
        assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [says_nothing, streams(b"{", then="silent")])
async def test_a_slow_server_costs_at_most_the_timeout(answer: Answering) -> None:
    """It may send nothing, or stop in the middle."""
    began = time.monotonic()
    failure = await _ask(answer, timeout_seconds=0.2)
    assert failure == QueryFailure("the query 'waiting' failed: no answer within 0.2 s")
    assert time.monotonic() - began < 2


async def test_a_server_that_sends_byte_by_byte_times_out() -> None:
    """A byte does not restart the timeout."""

    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert await _ask(drips, timeout_seconds=0.2) == QueryFailure(
        "the query 'waiting' failed: no answer within 0.2 s"
    )


async def test_an_unreachable_server_is_named() -> None:
    """The message has its host and port."""
    async with _client() as client:
        failure = await client.ask(query("http://127.0.0.1:1"), "team-a", "demo")
    assert isinstance(failure, QueryFailure)
    assert "no answer: Cannot connect to host 127.0.0.1:1" in failure.message


async def test_a_server_without_a_valid_certificate_gets_no_query() -> None:
    """One case is plain HTTP instead of TLS."""
    async with wire(says(vector("1"))) as server, _client() as client:
        failure = await client.ask(query(server.url.replace("http:", "https:")), "team-a", "demo")
        assert isinstance(failure, QueryFailure)
        assert server.requests == []


async def test_an_invalid_name_is_not_put_into_a_query() -> None:
    """It could end the string in the query."""
    async with wire(says(vector("1"))) as server, _client() as client:
        failure = await client.ask(query(server), "team-a", 'x"} or vector(9) #')
        assert isinstance(failure, QueryFailure)
        assert "is not a valid name of a cluster" in failure.message
        assert server.requests == []


async def test_the_token_is_sent_and_read_again_when_it_is_refused(tmp_path: Path) -> None:
    """A new one is in the file before the old one expires."""
    file = tmp_path / "token"
    file.write_text(f"{BEARER}\n")

    async def refuses(writer: asyncio.StreamWriter) -> None:
        file.write_text("another\n")
        await says(b"", 401)(writer)

    async with wire(refuses, says(vector("1"))) as server, _client() as client:
        asked = query(server, token_file=str(file))
        assert isinstance(await client.ask(asked, "team-a", "demo"), QueryFailure)
        assert await client.ask(asked, "team-a", "demo") == 1
        sent = [request.headers["authorization"] for request in server.requests]
        assert sent == [f"Bearer {BEARER}", "Bearer another"]


@pytest.mark.parametrize(
    "answer",
    [
        says({"status": "error", "error": f"bad token {BEARER}"}, 401),
        says(vector(BEARER)),
        says(vector("1") | {"warnings": [BEARER]}),
        says(SUCCESS | {"data": {"resultType": BEARER}}),
    ],
)
async def test_no_failure_holds_the_token(answer: Answering, tmp_path: Path) -> None:
    """Not even if the server returns it: the message gets into a status that others can read."""
    (tmp_path / "token").write_text(BEARER)
    failure = await _ask(answer, token_file=str(tmp_path / "token"))
    assert isinstance(failure, QueryFailure)
    assert BEARER[:10] not in failure.message
    assert "***" in failure.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: mount it"),
        (b"", "must hold one token"),
        (b"a\nX-Evil: b", "must hold one token"),
        (b"two words", "must hold one token"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
async def test_a_bad_token_file_is_a_failure_that_names_it(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    """Nothing is sent."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    failure = await _ask(says(vector("1")), token_file=str(file))
    assert isinstance(failure, QueryFailure)
    assert f"its tokenFile {file} {words}" in failure.message


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("x", "it holds no certificate")])
async def test_a_bad_ca_file_is_a_failure_that_names_it(
    content: str | None, words: str, tmp_path: Path
) -> None:
    """There is no connection without a check."""
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    async with _client() as client:
        failure = await client.ask(query("https://127.0.0.1:1", ca_file=str(file)), "team-a", "demo")
    assert isinstance(failure, QueryFailure)
    assert f"its caFile {file} cannot be used: {words}" in failure.message
