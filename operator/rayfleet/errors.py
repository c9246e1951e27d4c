"""Failures that are expected in the course of things, as values.

A request to the API server ends in its answer or in an `ApiFailure`. What to do about one is
decided in one place, `policy`, not at each call. A call to a Ray head ends in its answer or in a
`GcsFailure`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

NO_ANSWER = 0
"""The status of a request that got no HTTP answer: connection refused, cut, or timed out."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that the API server objects to (`details.causes[]` of a Status object)."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """Why a request did not succeed, in the API server's words where it answered."""

    status: int
    reason: str
    message: str
    causes: tuple[Cause, ...] = ()
    retry_after: float | None = None
    """Seconds, from the Retry-After header."""
    kind: str = ""
    name: str = ""
    """What it is about by the `details` of the Status object: a resource (`pods`), and an object's name."""


_LONGEST_COMPARED = 8192
_PARTS = re.compile(r"[][,;\n]+ ?")


class Policy(Enum):
    """What a failed request means for the one who sent it."""

    GONE = auto()
    """Something is not there (any more): the object only where `is_gone` says so. Look again."""
    CONFLICT = auto()
    """Somebody else wrote first, or the name is taken. Look again, then decide anew."""
    EXPIRED = auto()
    """A resourceVersion or continue token is too old. List again from the start."""
    INVALID = auto()
    """The object can never be accepted as it is. Tell the user; do not send it again."""
    DENIED = auto()
    """Quota, admission or RBAC said no. It may pass later: tell the user, and back off."""
    UNAUTHENTICATED = auto()
    """The credentials have expired. Read them anew, then retry."""
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
know the new kind. That is no refusal: it passes by itself."""


def policy(failure: ApiFailure) -> Policy:
    """What to do about `failure`."""
    if is_of_new_kind(failure):
        return Policy.RETRY
    if failure.status in _BY_STATUS:
        return _BY_STATUS[failure.status]
    # Only an answer that names fields is a verdict on the object. A webhook may answer 400 or 422 with
    # words alone, and may think otherwise tomorrow.
    if failure.status == 422:  # noqa: PLR2004 - the HTTP status is its own name
        return Policy.INVALID if any(cause.field for cause in failure.causes) else Policy.DENIED
    if 400 <= failure.status < 500 and failure.status not in {408, 429}:  # noqa: PLR2004 - as above
        return Policy.DENIED
    return Policy.RETRY


def is_of_new_kind(failure: ApiFailure) -> bool:
    """Whether a child was refused as the API server does not know our kind yet; see above."""
    return failure.status == 403 and _LAGGING_ADMISSION in failure.message  # noqa: PLR2004 - as above


def is_in_other_order(words: str, others: str) -> bool:
    """Whether two messages say the same things, which their authors have listed in another order.

    A LimitRange's minima, for one, come as a map gives them: differently each time.
    """
    if len(words) != len(others) or len(words) > _LONGEST_COMPARED:
        return False
    return sorted(_PARTS.split(words)) == sorted(_PARTS.split(others))


def is_gone(failure: ApiFailure, resource: str, name: str) -> bool:
    """Whether the API server has said that the object itself is not there.

    Any other 404 is of an API that is not served at the moment, of a namespace, or of something between us
    and the server; what its words happen to mention means nothing.
    """
    return policy(failure) is Policy.GONE and (failure.kind, failure.name) == (resource, name)


class GcsTrouble(StrEnum):
    """Of what kind the failure of a call to a Ray head is."""

    UNREACHABLE = "unreachable"
    """Nobody listens there, or the connection was cut."""
    DEADLINE = "deadline"
    """No whole answer in time."""
    UNAUTHENTICATED = "unauthenticated"
    """The token is missing or wrong."""
    UNIMPLEMENTED = "unimplemented"
    """This version of Ray has no such call."""
    INVALID = "invalid"
    """The answer cannot be understood or believed, or the request was refused as wrong."""
    TOO_LARGE = "too_large"
    """The answer is larger than we read."""


@dataclass(frozen=True, slots=True)
class GcsFailure:
    """Why a call to a Ray head did not succeed. Nothing secret is in its words."""

    trouble: GcsTrouble
    message: str
