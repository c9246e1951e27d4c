"""The token that `rayfleet explain` needs for some heads: found with the user's rights, and never shown."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfleet.cli.api_server import ApiServer, api_server
from rayfleet.cli.live_queue import find_token
from support.api_answers import ApiAnswers, api_answers
from support.builders import cluster, parsed, spec

SECRET = "/api/v1/namespaces/ml/secrets/demo"  # noqa: S105 - a path


@pytest.fixture
def prepared() -> Iterator[ApiAnswers]:
    with api_answers() as listening:
        yield listening


@pytest.fixture
def server(prepared: ApiAnswers, tmp_path: Path) -> Iterator[ApiServer]:
    with api_server(str(prepared.kubeconfig(tmp_path)), None) as found:
        yield found


def encoded(text: str) -> dict[str, Any]:
    return {"data": {"auth_token": base64.b64encode(text.encode()).decode()}}


ROWS = [
    (200, encoded("a-token\n"), "a-token", ""),
    (200, {"data": {"other": "eA=="}}, None, "Secret demo has no token under the key auth_token"),
    (200, {"data": {"auth_token": "*"}}, None, "Secret demo has no token under the key auth_token"),
    (403, {"message": "secrets is forbidden"}, None, "which you cannot read: secrets is forbidden"),
]


@pytest.mark.parametrize(("status", "body", "value", "words"), ROWS)
def test_the_token_is_read_from_the_secret_of_the_cluster(
    prepared: ApiAnswers,
    server: ApiServer,
    status: int,
    body: dict[str, Any],
    value: str | None,
    words: str,
) -> None:
    """A message says what is missing; the token itself is in no representation."""
    prepared.answers[SECRET] = status, body
    fields = spec(authOptions={"mode": "token"})
    found = find_token(server, cluster(fields), parsed(fields))
    assert found.value == value
    assert words in found.trouble
    assert "a-token" not in repr(found)


def test_no_kubernetes_token_is_sent_to_a_head(server: ApiServer) -> None:
    """The head is another user's program, and could use all your rights with it."""
    fields = spec(authOptions={"mode": "token", "enableK8sTokenAuth": True})
    found = find_token(server, cluster(fields), parsed(fields))
    assert found.value is None
    assert "which is not sent to it" in found.trouble


def test_a_head_without_tokens_is_asked_without_one(server: ApiServer) -> None:
    """Nothing is read for it."""
    assert find_token(server, cluster(), parsed(spec())).trouble == ""
