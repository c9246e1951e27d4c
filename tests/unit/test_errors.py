"""The meaning of each failed request, in one table."""

import pytest

from rayfleet.errors import ApiFailure, Policy, StatusCause, is_gone, policy

CAUSES = (StatusCause("spec.containers", "Required value"),)
LAGGING = (
    'services "x" is forbidden: cannot set blockOwnerDeletion ... cannot find RESTMapping for Kind RayCluster'
)

MEANINGS = [
    pytest.param(ApiFailure(0, "NoAnswer", "cut"), Policy.RETRY, id="no answer"),
    pytest.param(ApiFailure(401, "Unauthorized", ""), Policy.UNAUTHENTICATED, id="expired token"),
    pytest.param(ApiFailure(403, "Forbidden", "exceeded quota"), Policy.DENIED, id="quota"),
    pytest.param(ApiFailure(403, "Forbidden", LAGGING), Policy.RETRY, id="kind not known yet"),
    pytest.param(ApiFailure(404, "NotFound", ""), Policy.GONE, id="gone"),
    pytest.param(ApiFailure(408, "Timeout", ""), Policy.RETRY, id="request timeout"),
    pytest.param(ApiFailure(409, "Conflict", ""), Policy.CONFLICT, id="conflict"),
    pytest.param(ApiFailure(410, "Expired", ""), Policy.EXPIRED, id="expired resourceVersion"),
    pytest.param(ApiFailure(413, "TooLarge", ""), Policy.DENIED, id="too large"),
    pytest.param(ApiFailure(422, "Invalid", "", CAUSES), Policy.INVALID, id="invalid field"),
    pytest.param(ApiFailure(422, "Invalid", "a webhook's words"), Policy.DENIED, id="a webhook's 422"),
    pytest.param(
        ApiFailure(422, "Invalid", "denied", (StatusCause("", "denied"),)),
        Policy.DENIED,
        id="an admission policy",
    ),
    pytest.param(ApiFailure(429, "TooManyRequests", ""), Policy.RETRY, id="overload"),
    pytest.param(ApiFailure(500, "InternalError", ""), Policy.RETRY, id="server error"),
    pytest.param(ApiFailure(503, "ServiceUnavailable", ""), Policy.RETRY, id="unreachable"),
]


@pytest.mark.parametrize(("failure", "meaning"), MEANINGS)
def test_each_failure_has_one_policy(failure: ApiFailure, meaning: Policy) -> None:
    """It does not depend on the request."""
    assert policy(failure) is meaning


@pytest.mark.parametrize(
    ("failure", "gone"),
    [
        (ApiFailure(404, "NotFound", "", kind="pods", name="a"), True),
        (ApiFailure(404, "NotFound", 'pods "a" not found'), False),
        (ApiFailure(404, "NotFound", "", kind="pods", name="b"), False),
        (ApiFailure(404, "NotFound", "", kind="namespaces", name="a"), False),
        (ApiFailure(503, "Unavailable", "", kind="pods", name="a"), False),
    ],
)
def test_an_object_is_gone_only_if_the_server_names_it(failure: ApiFailure, gone: bool) -> None:  # noqa: FBT001 - a table's column
    """The details of the answer count, not its message."""
    assert is_gone(failure, "pods", "a") is gone
