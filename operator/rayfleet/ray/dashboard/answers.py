"""What an answer means that is not the one that was hoped for. No I/O here."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard.bounds import SHOWN
from rayfleet.ray.dashboard.job_details import cleaned

TAKEN: Final = b"Please use a different submission_id"
"""Ray's words for an id that it has; they stand inside a traceback, in an answer with status 500."""
_REFUSED_BY_AGENT: Final = b"Request failed with status code 400"
"""Ray's words, with status 500, for a request that the agent of the head's node has refused as wrong."""
_NO_ROUTE: Final = b"404: Not Found"
"""The answer, in full, of a server that has nothing at a path; Ray names the job that it does not have."""
_TROUBLE: Final[Mapping[int, DashboardTrouble]] = {
    HTTPStatus.BAD_REQUEST: DashboardTrouble.REFUSED,
    HTTPStatus.UNAUTHORIZED: DashboardTrouble.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: DashboardTrouble.UNAUTHENTICATED,
    HTTPStatus.NOT_FOUND: DashboardTrouble.UNSUPPORTED,
    HTTPStatus.METHOD_NOT_ALLOWED: DashboardTrouble.UNSUPPORTED,
    HTTPStatus.REQUEST_TIMEOUT: DashboardTrouble.SERVER,
    HTTPStatus.TOO_MANY_REQUESTS: DashboardTrouble.SERVER,
    HTTPStatus.NOT_IMPLEMENTED: DashboardTrouble.UNSUPPORTED,
}
"""All others go by their hundreds."""


class Reply(NamedTuple):
    """An answer as it came."""

    status: int
    body: bytes

    @property
    def succeeded(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def unknown(self) -> bool:
        """Whether Ray says that it has no such job."""
        return self.status == HTTPStatus.NOT_FOUND and self.body.strip() != _NO_ROUTE

    @property
    def taken(self) -> bool:
        """Whether Ray says that it has a job with this id already."""
        return self.status == HTTPStatus.INTERNAL_SERVER_ERROR and TAKEN in self.body


def failure_from(reply: Reply, secret: str = "") -> DashboardFailure:
    """The failure that an answer without success reports; `secret` is masked in its message."""
    said = gist(reply.body, secret)
    message = f"status {reply.status}{f': {said}' if said else ''}"
    return DashboardFailure(_trouble(reply), message[:SHOWN])


def gist(body: bytes, secret: str = "") -> str:
    """What a text says, in one line: of a traceback the last line that has words."""
    text = body.decode("utf-8", "replace")
    if "Traceback" in text:
        text = next((line for line in reversed(text.splitlines()) if any(map(str.isalnum, line))), "")
    return " ".join(cleaned(text, secret).split())[:SHOWN]


def _trouble(reply: Reply) -> DashboardTrouble:
    if reply.status == HTTPStatus.INTERNAL_SERVER_ERROR and _REFUSED_BY_AGENT in reply.body:
        return DashboardTrouble.REFUSED
    if (known := _TROUBLE.get(reply.status)) is not None:
        return known
    hundreds = reply.status // 100
    if hundreds == 3:  # noqa: PLR2004 - as in the RFC
        return DashboardTrouble.REDIRECTED
    if hundreds == 4:  # noqa: PLR2004
        return DashboardTrouble.REFUSED
    return DashboardTrouble.SERVER if hundreds == 5 else DashboardTrouble.INVALID  # noqa: PLR2004
