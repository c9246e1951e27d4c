"""Turns what came over the wire into an answer or an `ApiFailure`. No I/O here."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from rayfleet.errors import NO_ANSWER, ApiFailure, StatusCause
from rayfleet.kube.client.decoding import decoded_object

_SHOWN = 300
"""Characters shown of an answer that is not a Status object, such as a proxy's page."""
_WARNING = re.compile(r'^\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_SUCCESS = range(200, 300)


class Listing(NamedTuple):
    """A list, or a page of it."""

    items: list[dict[str, Any]]
    resource_version: int
    continue_token: str = ""
    """Requests the next page; empty on the last."""


def answer_from(
    status: int, retry_after: str | None, raw: bytes, decode: Callable[[bytes], Any] = decoded_object
) -> dict[str, Any] | ApiFailure:
    """The decoded body of a success, else the failure with the server's message."""
    try:
        body = decode(raw)
    except orjson.JSONDecodeError:
        body = None
    if status in _SUCCESS:
        if isinstance(body, dict):
            return body
        return ApiFailure(NO_ANSWER, "BadAnswer", f"the answer is not a JSON object: {_shown(raw)}")
    if isinstance(body, dict) and body.get("kind") == "Status":
        return failure_from_status(body, status, retry_after)
    return ApiFailure(status, "", _shown(raw) or f"HTTP status {status}", retry_after=_seconds(retry_after))


def failure_from_status(
    body: Mapping[str, Any], status: int | None = None, retry_after: str | None = None
) -> ApiFailure:
    """The failure that a Status object describes; without `status`, with the code in the object."""
    details = body.get("details")
    if not isinstance(details, dict):
        details = {}
    return ApiFailure(
        status=status if status is not None else int(body.get("code") or NO_ANSWER),
        reason=str(body.get("reason") or ""),
        message=str(body.get("message") or body.get("reason") or "no reason given"),
        causes=tuple(
            StatusCause(str(cause.get("field") or ""), str(cause.get("message") or ""))
            for cause in details.get("causes") or ()
        ),
        retry_after=_seconds(retry_after or details.get("retryAfterSeconds")),
        kind=str(details.get("kind") or ""),
        name=str(details.get("name") or ""),
    )


def no_answer(error: BaseException, server: str, seconds: float | None = None) -> ApiFailure:
    """The failure of a request that was not answered: refused, cut, or timed out."""
    if isinstance(error, TimeoutError):
        detail = f": {error}" if str(error) else f" within {seconds:g} s" if seconds is not None else ""
        return ApiFailure(NO_ANSWER, "Timeout", f"no answer from {server}{detail}")
    return ApiFailure(NO_ANSWER, "NoAnswer", f"no answer from {server}: {error or type(error).__name__}")


def listing_from(answer: Mapping[str, Any]) -> Listing | ApiFailure:
    """The list that an answer holds."""
    metadata, items = answer.get("metadata"), answer.get("items")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not str(version).isdecimal() or not isinstance(items, list | None):
        return ApiFailure(NO_ANSWER, "BadAnswer", "the answer is not a list with a resourceVersion")
    return Listing(items or [], int(str(version)), str(metadata.get("continue") or ""))


def warnings_from(headers: Iterable[str]) -> list[str]:
    """The texts of `Warning` headers, which the API server sends about unknown or deprecated fields."""
    matches = (_WARNING.match(header) for header in headers)
    return [re.sub(r"\\(.)", r"\1", match.group(1)) for match in matches if match]


def _shown(raw: bytes) -> str:
    return raw[: 4 * _SHOWN].decode("utf-8", "replace").strip()[:_SHOWN]


def _seconds(value: object) -> float | None:
    """A delay. The form with a date is for proxies; no API server sends it, and back-off covers it."""
    text = str(value) if value is not None else ""
    return float(text) if text.isascii() and text.isdigit() else None
