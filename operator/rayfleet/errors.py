"""Expected failures, as values.

A request to the API server ends in its answer or in an `ApiFailure`. `policy` decides, in one place and not
at each call, what to do about a failure. A call to a Ray head ends in its answer, or in a `GcsFailure` or a
`DashboardFailure`.
"""

import re
from collections.abc import Mapping
from enum import Enum, StrEnum, auto

from msgspec import Struct

NO_ANSWER = 0
"""The status of a request that got no HTTP answer: connection refused, cut, or timed out."""


class StatusCause(Struct, frozen=True):
    """One field that the API server objects to (`details.causes[]` of a Status object)."""

    field: str
    message: str


class ApiFailure(Struct, frozen=True):
    """Why a request did not succeed, as reported by the API server if it answered."""

    status: int
    reason: str
    message: str
    causes: tuple[StatusCause, ...] = ()
    retry_after: float | None = None
    """Seconds, from the Retry-After header."""
    kind: str = ""
    name: str = ""
    """From the `details` of the Status object: a resource (`pods`), and an object's name."""


_LONGEST_COMPARED = 8192
_PARTS = re.compile(r"[][,;\n]+ ?")


class Policy(Enum):
    """What a failed request means for its sender."""

    GONE = auto()
    """Something does not exist (any more); it is the object itself only if `is_gone` says so. Look again."""
    CONFLICT = auto()
    """Somebody else wrote first, or the name is taken. Look again, then decide again."""
    EXPIRED = auto()
    """A resourceVersion or continue token is too old. List again from the start."""
    INVALID = auto()
    """The object will never be accepted as it is. Report it to the user; do not send it again."""
    DENIED = auto()
    """Quota, admission or RBAC said no. It may pass later: report it to the user, and back off."""
    UNAUTHENTICATED = auto()
    """The credentials have expired. Read them again, then retry."""
    RETRY = auto()
    """Overload, an outage or a cut connection. Back off and retry."""


_BY_STATUS: Mapping[int, Policy] = {
    401: Policy.UNAUTHENTICATED,
    403: Policy.DENIED,
    404: Policy.GONE,
    409: Policy.CONFLICT,
    410: Policy.EXPIRED,
}


_LAGGING_ADMISSION = "cannot find RESTMapping"
"""For up to half a minute after a CRD is installed, an API server that checks owner references does not
know the new kind. That is not a refusal: it goes away by itself."""


def policy(failure: ApiFailure) -> Policy:
    """What to do about `failure`."""
    if is_of_new_kind(failure):
        return Policy.RETRY
    if failure.status in _BY_STATUS:
        return _BY_STATUS[failure.status]
    # Only an answer that names fields is a verdict on the object. A webhook may answer 400 or 422 with
    # just a message, and may decide differently tomorrow.
    if failure.status == 422:  # noqa: PLR2004 - the HTTP status is its own name
        return Policy.INVALID if any(cause.field for cause in failure.causes) else Policy.DENIED
    if 400 <= failure.status < 500 and failure.status not in {408, 429}:  # noqa: PLR2004 - as above
        return Policy.DENIED
    return Policy.RETRY


def is_of_new_kind(failure: ApiFailure) -> bool:
    """Whether a child was refused because the API server does not know our kind yet; see above."""
    return failure.status == 403 and _LAGGING_ADMISSION in failure.message  # noqa: PLR2004 - as above


def is_in_other_order(message: str, other: str) -> bool:
    """Whether two messages list the same items in a different order.

    A LimitRange's minima, for example, come in the order of a map, which differs each time.
    """
    if len(message) != len(other) or len(message) > _LONGEST_COMPARED:
        return False
    return sorted(_PARTS.split(message)) == sorted(_PARTS.split(other))


def is_gone(failure: ApiFailure, resource: str, name: str) -> bool:
    """Whether the API server has said that the object itself does not exist.

    Any other 404 is about an API that is not served at the moment, a namespace, or something between us
    and the server; what its message happens to mention means nothing.
    """
    return policy(failure) is Policy.GONE and (failure.kind, failure.name) == (resource, name)


class GcsTrouble(StrEnum):
    """The kind of failure of a GCS call."""

    UNREACHABLE = "unreachable"
    """Nothing listens there, or the connection was cut."""
    DEADLINE = "deadline"
    """No complete answer in time."""
    UNAUTHENTICATED = "unauthenticated"
    """The token is missing or wrong."""
    UNIMPLEMENTED = "unimplemented"
    """This version of Ray has no such call."""
    INVALID = "invalid"
    """The answer cannot be understood or believed, or the request was refused as wrong."""
    TOO_LARGE = "too_large"
    """The answer is larger than we read."""


class GcsFailure(Struct, frozen=True):
    """Why a call to a Ray head did not succeed. The message holds nothing secret."""

    trouble: GcsTrouble
    message: str


class DashboardTrouble(StrEnum):
    """The kind of failure of a request to a head's dashboard."""

    UNREACHABLE = "unreachable"
    """Nothing listens there, or the connection was cut."""
    TIMEOUT = "timeout"
    """No complete answer in time."""
    TOO_LARGE = "too_large"
    """The answer is larger than we read."""
    NOT_JSON = "not_json"
    """A success whose body is not JSON, such as a page of another program."""
    INVALID = "invalid"
    """Not what was asked for: about another job, not whole, or in an encoding that we do not accept."""
    REFUSED = "refused"
    """Ray takes the request for wrong; the same request will be refused again."""
    UNAUTHENTICATED = "unauthenticated"
    """The token is missing or wrong."""
    REDIRECTED = "redirected"
    """It points elsewhere, where no request is sent."""
    UNSUPPORTED = "unsupported"
    """What listens there has no job API."""
    SERVER = "server"
    """Ray could not answer, for example because it is starting."""


class DashboardFailure(Struct, frozen=True):
    """Why a request to a head's dashboard did not succeed. The message is short and holds nothing secret."""

    trouble: DashboardTrouble
    message: str
