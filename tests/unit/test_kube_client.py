"""The API client against a server with scripted answers: results and failures are values."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from rayfleet import __version__
from rayfleet.errors import ApiFailure, Policy, StatusCause, policy
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from support.wire import Answering, Wire, fails, hangs_up, says, says_nothing, wire

PODS = "/api/v1/namespaces/ml/pods"


@asynccontextmanager
async def _client(server: Wire, **options: Any) -> AsyncIterator[KubeClient]:
    async with KubeClient(Credentials(server.url), **options) as client:
        yield client


async def test_a_read_returns_the_object_and_sends_a_user_agent() -> None:
    async with wire(says({"kind": "Pod"})) as server, _client(server) as client:
        assert await client.get(f"{PODS}/a", {"x": "y"}) == {"kind": "Pod"}

        (request,) = server.requests
        assert (request.method, request.target) == ("GET", f"{PODS}/a?x=y")
        assert request.headers["user-agent"] == f"rayfleet/{__version__}"


async def test_a_create_names_its_field_manager_and_returns_the_servers_warnings() -> None:
    warning = 'Warning: 299 - "unknown field \\"spec.foo\\""'
    warnings: list[str] = []
    async with wire(says({"kind": "Pod"}, 201, warning)) as server, _client(server) as client:
        await client.create(PODS, {"kind": "Pod"}, warn=warnings.append)

        (request,) = server.requests
        assert (request.method, request.target) == ("POST", f"{PODS}?fieldManager=rayfleet")
        assert orjson.loads(request.body) == {"kind": "Pod"}
        assert warnings == ['unknown field "spec.foo"']


async def test_a_delete_has_the_uid_as_precondition() -> None:
    async with wire(says({"kind": "Status"})) as server, _client(server) as client:
        await client.delete(f"{PODS}/a", "u1", grace=5)

        (request,) = server.requests
        assert request.method == "DELETE"
        assert orjson.loads(request.body) == {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": "u1"},
            "propagationPolicy": "Background",
            "gracePeriodSeconds": 5,
        }


async def test_a_status_is_sent_as_a_merge_patch() -> None:
    async with wire(says({"kind": "RayCluster"})) as server, _client(server) as client:
        await client.patch_status("/x/status", {"status": {"state": "ready"}})

        (request,) = server.requests
        assert (request.method, request.target) == ("PATCH", "/x/status?fieldManager=rayfleet")
        assert request.headers["content-type"] == "application/merge-patch+json"


async def test_a_large_body_arrives_whole() -> None:
    body = {"data": "x" * 3_000_000}
    async with wire(says({}, 201)) as server, _client(server) as client:
        await client.create(PODS, body)

        assert orjson.loads(server.requests[0].body) == body


async def test_a_refusal_has_the_servers_message_and_causes() -> None:
    refusal = fails(
        422,
        "Invalid",
        "Pod is invalid",
        causes=[{"field": "spec.x", "message": "must be set", "reason": "R"}],
    )
    async with wire(refusal) as server, _client(server) as client:
        answer = await client.create(PODS, {})

        assert answer == ApiFailure(422, "Invalid", "Pod is invalid", (StatusCause("spec.x", "must be set"),))


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (fails(429, "TooManyRequests", "slow down", "Retry-After: 7"), 7.0),
        (fails(429, "TooManyRequests", "slow down", retryAfterSeconds=3), 3.0),
        (fails(429, "TooManyRequests", "slow down", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"), None),
        (fails(500, "InternalError", "oh"), None),
    ],
    ids=["header", "details", "a date", "none"],
)
async def test_the_wait_that_the_server_asks_for_is_reported(
    refusal: Answering, seconds: float | None
) -> None:
    async with wire(refusal) as server, _client(server) as client:
        answer = await client.get(PODS)

        assert isinstance(answer, ApiFailure)
        assert answer.retry_after == seconds


async def test_a_page_of_a_proxy_is_shown_in_part() -> None:
    page = b"<html>" + b"sorry " * 1000
    async with wire(says(page, 503)) as server, _client(server) as client:
        answer = await client.get(PODS)

        assert isinstance(answer, ApiFailure)
        assert (answer.status, len(answer.message)) == (503, 300)
        assert policy(answer) is Policy.RETRY


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b""], ids=["html", "no object", "empty"])
async def test_a_success_without_an_object_can_be_retried(body: bytes) -> None:
    async with wire(says(body)) as server, _client(server) as client:
        answer = await client.get(PODS)

        assert isinstance(answer, ApiFailure)
        assert policy(answer) is Policy.RETRY


async def test_a_refused_connection_counts_as_no_answer() -> None:
    async with wire(says({})) as server:
        url = server.url
    async with KubeClient(Credentials(url)) as client:
        answer = await client.get(PODS)

        assert isinstance(answer, ApiFailure)
        assert answer.status == 0
        assert "no answer from http://127.0.0.1" in answer.message
        assert client.calls.by_verb_and_code == {("get", 0): 1}


async def test_a_cut_connection_counts_as_no_answer() -> None:
    async with wire(hangs_up) as server, _client(server) as client:
        answer = await client.create(PODS, {})

        assert isinstance(answer, ApiFailure)
        assert answer.status == 0


async def test_a_late_answer_counts_as_no_answer() -> None:
    """Each call may have its own deadline."""
    async with wire(says_nothing) as server, _client(server, timeout=30) as client:
        began = time.monotonic()
        answer = await client.create(PODS, {}, within=0.1)

        assert answer == ApiFailure(0, "Timeout", f"no answer from {server.url} within 0.1 s")
        assert time.monotonic() - began < 5


async def test_calls_are_counted_by_verb_and_code() -> None:
    answers = [says({}), says({}, 201), fails(409, "AlreadyExists", "no"), fails(404, "NotFound", "no")]
    async with wire(*answers) as server, _client(server) as client:
        await client.get(PODS)
        await client.create(PODS, {})
        await client.create(PODS, {})
        await client.delete(PODS, "u")

        assert client.calls.by_verb_and_code == {
            ("get", 200): 1,
            ("create", 201): 1,
            ("create", 409): 1,
            ("delete", 404): 1,
        }
        assert client.calls.mutating == 3


async def test_connections_are_reused() -> None:
    async with wire(says({})) as server, _client(server) as client:
        for _ in range(5):
            await client.get(PODS)

        assert (server.connections, len(server.requests)) == (1, 5)


async def test_a_refused_token_is_read_again_and_the_request_repeated_once(tmp_path: Path) -> None:
    """The kubelet has written a new one."""
    token = tmp_path / "token"
    token.write_text("old\n")
    refusal = fails(401, "Unauthorized", "Unauthorized")
    async with wire(says({}), refusal, says({"kind": "Pod"})) as server:
        async with KubeClient(Credentials(server.url, token=token)) as client:
            await client.get(PODS)
            token.write_text("new\n")
            assert await client.get(PODS) == {"kind": "Pod"}

        sent = [request.headers["authorization"] for request in server.requests]
        assert sent == ["Bearer old", "Bearer old", "Bearer new"]


async def test_a_token_that_is_still_refused_is_not_sent_again() -> None:
    async with (
        wire(fails(401, "Unauthorized", "Unauthorized")) as server,
        KubeClient(Credentials(server.url, token="old")) as client,  # noqa: S106 - no secret
    ):
        answer = await client.get(PODS)

        assert isinstance(answer, ApiFailure)
        assert (policy(answer), len(server.requests)) == (Policy.UNAUTHENTICATED, 1)
