"""The client of the job API against a real HTTP server: what each answer, and each misdeed, becomes."""

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard import (
    AlreadySubmitted,
    JobAccepted,
    JobDetails,
    JobListing,
    JobStopped,
    JobSubmitRequest,
    UnknownJob,
    bounds,
)
from rayfleet.ray.dashboard.client import JobsClient
from rayfleet.ray.dashboard.session import Request
from support.dashboard_misdeeds import Misdeed
from support.stand_in_dashboard import StandInDashboard
from support.wire import Answering, says, wire

TOKEN = "a-very-secret-token"  # noqa: S105 - of nothing
Asking: TypeAlias = Callable[[], Awaitable[object]]
TRAIN = JobSubmitRequest("python train.py", "a")


@pytest.fixture
async def head() -> AsyncIterator[StandInDashboard]:
    made = StandInDashboard()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(head: StandInDashboard) -> AsyncIterator[JobsClient]:
    made = JobsClient(head.address)
    yield made
    await made.close()


def asks_of(client: JobsClient, seconds: float = 2.0) -> tuple[Asking, ...]:
    """Each of its calls."""
    return (
        lambda: client.get_job("a"),
        lambda: client.list_jobs({"a"}),
        lambda: client.stop("a"),
        lambda: client.submit(JobSubmitRequest("python train.py", "new"), seconds),
    )


def trouble_of(answer: object) -> DashboardTrouble | None:
    return answer.trouble if isinstance(answer, DashboardFailure) else None


async def test_a_job_is_followed_from_its_submission_to_its_end(
    head: StandInDashboard, client: JobsClient
) -> None:
    """Unknown, accepted, pending, running, failed."""
    assert await client.get_job("a") == UnknownJob("a")
    assert await client.submit(TRAIN) == JobAccepted("a")
    seen = [await client.get_job("a")]
    head.run("a")
    seen.append(await client.get_job("a"))
    head.finish("a", "FAILED", driver_exit_code=137)
    seen.append(await client.get_job("a"))
    assert [(one.status, one.driver_exit_code) for one in seen if isinstance(one, JobDetails)] == [
        ("PENDING", None),
        ("RUNNING", None),
        ("FAILED", 137),
    ]


async def test_a_second_submission_of_the_same_id_is_told_from_a_failure(
    head: StandInDashboard, client: JobsClient
) -> None:
    """The answer to the first one may have been lost."""
    await client.submit(TRAIN)
    assert await client.submit(TRAIN) == AlreadySubmitted("a")
    assert len(head.jobs) == 1


async def test_only_what_is_set_is_submitted(head: StandInDashboard, client: JobsClient) -> None:
    """Older releases refuse fields that they do not know."""
    await client.submit(TRAIN)
    await client.submit(
        JobSubmitRequest(
            "python train.py",
            "b",
            runtime_env={"env_vars": {"A": "ü"}},
            metadata={"user": "ada"},
            entrypoint_num_gpus=0.5,
            entrypoint_label_selector={"zone": "a"},
        )
    )
    assert head.submissions == [
        {"entrypoint": "python train.py", "submission_id": "a"},
        {
            "entrypoint": "python train.py",
            "submission_id": "b",
            "runtime_env": {"env_vars": {"A": "ü"}},
            "metadata": {"user": "ada"},
            "entrypoint_num_gpus": 0.5,
            "entrypoint_label_selector": {"zone": "a"},
        },
    ]


async def test_a_large_environment_arrives_whole(head: StandInDashboard, client: JobsClient) -> None:
    """It is sent in pieces."""
    env = {"env_vars": {"A": "x" * 1_500_000}}
    assert await client.submit(JobSubmitRequest("python train.py", "a", env)) == JobAccepted("a")
    assert head.submissions[0]["runtime_env"] == env


async def test_a_submission_does_not_show_its_environment() -> None:
    """It may hold secrets."""
    assert "hunter2" not in repr(JobSubmitRequest("x", "a", {"env_vars": {"PASSWORD": "hunter2"}}))


async def test_a_running_job_is_stopped_and_one_that_is_over_is_said_to_be(
    head: StandInDashboard, client: JobsClient
) -> None:
    head.submit("a", "RUNNING")
    assert await client.stop("a") == JobStopped("a", stopping=True)
    assert await client.stop("a") == JobStopped("a", stopping=False)
    assert await client.stop("b") == UnknownJob("b")


async def test_the_list_has_the_jobs_that_were_asked_for(head: StandInDashboard, client: JobsClient) -> None:
    """One request, however many there are."""
    for name in "abc":
        head.submit(name, "RUNNING")
    found = await client.list_jobs({"a", "c", "gone"})
    assert isinstance(found, JobListing)
    assert set(found.jobs) == {"a", "c"}
    assert head.requests == [("GET", "/api/jobs/")]


async def test_an_id_is_quoted_in_the_path(head: StandInDashboard, client: JobsClient) -> None:
    """What looks like a query or another path stays one id."""
    for name in ("a b?c=d#e", "ü%2F"):
        head.submit(name, "RUNNING")
        found = await client.get_job(name)
        assert isinstance(found, JobDetails), found
        assert found.submission_id == name
    assert head.requests[0] == ("GET", "/api/jobs/a%20b%3Fc%3Dd%23e")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a" * (bounds.LONGEST_ID + 1)])
async def test_an_id_that_would_be_another_path_is_not_sent(
    head: StandInDashboard, client: JobsClient, name: str
) -> None:
    """Ray itself keeps a job with a slash in its id as pending for ever."""
    for answer in (
        await client.get_job(name),
        await client.stop(name),
        await client.submit(JobSubmitRequest("x", name)),
    ):
        assert trouble_of(answer) is DashboardTrouble.REFUSED
        assert "spec.jobId" in str(answer)
    assert head.requests == []


@pytest.mark.parametrize(
    ("misdeed", "trouble"),
    [
        (Misdeed.ENDLESS, DashboardTrouble.TOO_LARGE),
        (Misdeed.HUGE, DashboardTrouble.TOO_LARGE),
        (Misdeed.HTML, DashboardTrouble.NOT_JSON),
        (Misdeed.BROKEN_JSON, DashboardTrouble.NOT_JSON),
        (Misdeed.SERVER_ERROR, DashboardTrouble.SERVER),
        (Misdeed.GZIP, DashboardTrouble.INVALID),
        (Misdeed.BOMB, DashboardTrouble.INVALID),
        (Misdeed.NO_ROUTE, DashboardTrouble.UNSUPPORTED),
    ],
)
async def test_a_head_that_misbehaves_is_a_failure(
    head: StandInDashboard, client: JobsClient, misdeed: Misdeed, trouble: DashboardTrouble
) -> None:
    """Whatever was asked; and the next question is answered as if nothing had happened."""
    head.submit("a", "RUNNING")
    head.misdeed = misdeed
    for ask in asks_of(client):
        answer = await ask()
        assert isinstance(answer, DashboardFailure)
        assert answer.trouble is trouble, answer
        assert len(answer.message) <= bounds.SHOWN
    head.misdeed = None
    head.submit("b", "RUNNING")
    assert isinstance(await client.get_job("b"), JobDetails)


@pytest.mark.parametrize("misdeed", [Misdeed.BLACK_HOLE, Misdeed.SLOW_BODY])
async def test_a_head_that_keeps_a_request_waiting_is_a_failure_in_time(
    head: StandInDashboard, misdeed: Misdeed
) -> None:
    """Whether nothing comes, or always a little more."""
    head.misdeed = misdeed
    client = JobsClient(head.address, seconds=0.2)
    for ask in asks_of(client, 0.2):
        began = time.monotonic()
        assert trouble_of(await ask()) is DashboardTrouble.TIMEOUT
        assert time.monotonic() - began < 1
    await client.close()


async def test_no_redirect_is_followed_and_the_token_stays(head: StandInDashboard) -> None:
    """Not even to the same server."""
    elsewhere = StandInDashboard()
    await elsewhere.start()
    head.misdeed, head.elsewhere = Misdeed.REDIRECT, f"http://{elsewhere.address}/api/jobs/a"
    client = JobsClient(head.address, TOKEN)
    try:
        for ask in asks_of(client):
            assert trouble_of(await ask()) is DashboardTrouble.REDIRECTED
    finally:
        await client.close()
        await elsewhere.stop()
    assert elsewhere.requests == []
    assert len(head.requests) == 4


async def test_an_answer_about_another_job_is_not_believed(
    head: StandInDashboard, client: JobsClient
) -> None:
    """Neither a status nor an acceptance."""
    head.misdeed = Misdeed.WRONG_JOB
    assert trouble_of(await client.get_job("a")) is DashboardTrouble.INVALID
    assert trouble_of(await client.submit(TRAIN)) is DashboardTrouble.INVALID


async def test_a_submission_that_ray_takes_for_wrong_is_refused_in_its_words(client: JobsClient) -> None:
    """Whether the dashboard says so, or with status 500 the agent behind it."""
    wrong = await client.submit(JobSubmitRequest(None, "a"))  # type: ignore[arg-type]  # on purpose
    assert isinstance(wrong, DashboardFailure)
    assert wrong.trouble is DashboardTrouble.REFUSED
    assert wrong.message == "status 400: ValueError: entrypoint must be a string"
    words = b"Traceback\nRuntimeError: Request failed with status code 400: Traceback\nValueError: no\n."
    async with wire(says(words, 500)) as server:
        other = JobsClient(server.url.removeprefix("http://"))
        found = await other.submit(TRAIN)
        await other.close()
    assert found == DashboardFailure(DashboardTrouble.REFUSED, "status 500: ValueError: no")


async def test_a_submission_to_a_head_that_starts_may_be_repeated(
    head: StandInDashboard, client: JobsClient
) -> None:
    head.misdeed = Misdeed.STARTING
    found = await client.submit(TRAIN)
    assert isinstance(found, DashboardFailure)
    assert found.trouble is DashboardTrouble.SERVER
    assert "No available agent" in found.message


@pytest.mark.parametrize(("sent", "status"), [(None, 401), ("another", 403)])
async def test_a_token_that_is_missing_or_wrong_is_told_from_other_refusals(
    head: StandInDashboard, sent: str | None, status: int
) -> None:
    head.token = TOKEN
    client = JobsClient(head.address, sent)
    found = await client.get_job("a")
    await client.close()
    assert isinstance(found, DashboardFailure)
    assert found.trouble is DashboardTrouble.UNAUTHENTICATED
    assert f"status {status}" in found.message


async def test_the_token_is_sent_in_rays_own_header_and_shown_nowhere(head: StandInDashboard) -> None:
    """Even where the head repeats it."""
    head.token = TOKEN
    head.submit("a", "FAILED", message=f"env: {TOKEN}")
    client = JobsClient(head.address, TOKEN)
    assert isinstance(await client.get_job("a"), JobDetails)
    assert head.tokens == {f"Bearer {TOKEN}"}
    request = Request(head.address, "/", 1, 1.0, {"x-ray-authorization": TOKEN}, TOKEN.encode())
    shown = f"{client!r} {request!r} {await client.get_job('a')!r}"
    for status in (200, 400, 401, 500):
        async with wire(says(TOKEN.encode(), status)) as server:
            other = JobsClient(server.url.removeprefix("http://"), TOKEN)
            shown += f"{await other.get_job('a')!r} {await other.submit(TRAIN)!r} {await other.stop('a')!r}"
            await other.close()
    await client.close()
    assert TOKEN not in shown


@pytest.mark.parametrize("token", ["", "two\r\nlines", "ü"])
async def test_a_token_that_cannot_be_sent_is_a_failure(head: StandInDashboard, token: str) -> None:
    client = JobsClient(head.address, token)
    assert trouble_of(await client.get_job("a")) is DashboardTrouble.UNAUTHENTICATED
    await client.close()
    assert head.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "::1:8265", "127.0.0.1:99999"])
async def test_a_head_that_is_not_there_is_unreachable(address: str) -> None:
    client = JobsClient(address)
    found = await client.get_job("a")
    await client.close()
    assert isinstance(found, DashboardFailure)
    assert found.trouble is DashboardTrouble.UNREACHABLE
    assert address in found.message


async def test_a_head_that_comes_back_is_asked_on_a_new_connection(
    head: StandInDashboard, client: JobsClient
) -> None:
    """A submission is not lost on an old one."""
    await client.get_job("a")
    await head.stop()
    assert trouble_of(await client.get_job("a")) is DashboardTrouble.UNREACHABLE
    await head.start()
    assert await client.submit(TRAIN) == JobAccepted("a")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (says(b"Job a does not exist", 404), None),
        (says(b"404: Not Found", 404), DashboardTrouble.UNSUPPORTED),
        (says(b"", 405), DashboardTrouble.UNSUPPORTED),
        (says(b"", 413), DashboardTrouble.REFUSED),
        (says(b"", 429), DashboardTrouble.SERVER),
        (says(b"", 204), DashboardTrouble.INVALID),
        (says(b"x" * 200_000, 503), DashboardTrouble.SERVER),
    ],
)
async def test_each_status_is_a_kind_of_failure(answer: Answering, trouble: DashboardTrouble | None) -> None:
    """A job that is unknown is none, if it is Ray that says so."""
    async with wire(answer) as server:
        client = JobsClient(server.url.removeprefix("http://"), seconds=1)
        found = await client.get_job("a")
        await client.close()
    assert trouble_of(found) is trouble
    assert isinstance(found, UnknownJob) is (trouble is None)


async def test_no_cookie_is_kept_and_no_proxy_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is on its own."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with wire(
        says({"submission_id": "a", "status": "RUNNING"}, 200, "Set-Cookie: a=b; Path=/")
    ) as server:
        client = JobsClient(f"localhost:{server.port}")  # For addresses, no program keeps any.
        for _ in range(2):
            assert isinstance(await client.get_job("a"), JobDetails)
        await client.close()
        assert all("cookie" not in request.headers for request in server.requests)
        assert all(request.headers["accept-encoding"] == "identity" for request in server.requests)


async def test_a_connection_is_kept_between_polls_whatever_it_has_carried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each answer is measured by itself."""
    monkeypatch.setattr("rayfleet.ray.dashboard.metered.MOST_BYTES", 500)
    async with wire(says({"submission_id": "a", "status": "RUNNING", "message": "x" * 300})) as server:
        client = JobsClient(server.url.removeprefix("http://"))
        for _ in range(10):
            assert isinstance(await client.get_job("a"), JobDetails)
        await client.close()
        assert (len(server.requests), server.connections) == (10, 1)


async def test_a_closed_client_leaves_nothing_open(head: StandInDashboard) -> None:
    """pytest turns a warning about an unclosed connection into an error."""
    client = JobsClient(head.address)
    await client.get_job("a")
    await client.submit(TRAIN)
    await client.close()
    del client
    gc.collect()
