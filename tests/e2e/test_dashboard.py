"""The client of the job API and the poller of jobs, against the dashboard of a real Ray head."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic, time

import pytest

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.dashboard import (
    AlreadySubmitted,
    JobAccepted,
    JobAnswer,
    JobDetails,
    JobListing,
    JobStopped,
    JobSubmitRequest,
    UnknownJob,
)
from rayfleet.ray.dashboard.client import JobsClient
from rayfleet.ray.dashboard.poller import JobsPoller
from rayfleet.ray.polling import Target
from support.informing import until
from support.ray_head import RayHead, ray_head
from support.ray_releases import python_with_ray

# The first test may also install Ray with its dashboard.
pytestmark = pytest.mark.timeout(900)

TOKEN = "a-token-of-at-least-forty-characters-as-made"  # noqa: S105 - of nothing
OLDER = ["2.47.1", "2.52.0", "2.56.0"]
KEY = Key("RayJob", "ns", "a")


@pytest.fixture(
    scope="module", params=["2.60.0", *(pytest.param(old, marks=pytest.mark.extended) for old in OLDER)]
)
def head(request: pytest.FixtureRequest) -> Iterator[RayHead]:
    """A head of each release."""
    with ray_head(python=python_with_ray(request.param, dashboard=True), dashboard=True) as started:
        yield started


@pytest.fixture
async def client(head: RayHead) -> AsyncIterator[JobsClient]:
    """As soon as the dashboard answers, some seconds after its head."""
    made = JobsClient(head.dashboard, seconds=5)
    try:
        await answered("the dashboard", made, "none", lambda said: isinstance(said, UnknownJob), head)
        yield made
    finally:
        await made.close()


async def answered(
    what: str, client: JobsClient, job: str, holds: Callable[[JobAnswer], bool], head: RayHead
) -> JobAnswer:
    """The first answer about a job for which `holds` is true."""
    deadline = monotonic() + 60
    while not holds(last := await client.get_job(job)):
        assert monotonic() < deadline, f"timed out waiting for {what}; last seen: {last} {head.log()}"
        await asyncio.sleep(0.2)
    return last


async def ended(client: JobsClient, job: str, head: RayHead) -> JobDetails:
    said = await answered(
        f"the end of {job}", client, job, lambda said: isinstance(said, JobDetails) and said.terminal, head
    )
    assert isinstance(said, JobDetails)
    return said


async def test_a_job_is_submitted_once_and_read_to_its_failure(head: RayHead, client: JobsClient) -> None:
    """With its environment, and everything that a verdict needs."""
    job = JobSubmitRequest(
        "echo $GREETING; exit 3",
        "fails",
        runtime_env={"env_vars": {"GREETING": "grüße"}},
        metadata={"user": "ada"},
    )
    assert await client.submit(job, 30) == JobAccepted("fails")
    assert await client.submit(job) == AlreadySubmitted("fails")
    said = await ended(client, "fails", head)
    assert said.status == "FAILED"
    assert said.error_type in {"JOB_ENTRYPOINT_COMMAND_ERROR", ""}, "the oldest release has no types"
    assert said.driver_exit_code == 3
    assert "grüße" in said.message
    assert len(said.driver_node_id) == 56
    assert said.start_time is not None
    assert said.end_time is not None
    assert 0 <= said.end_time - said.start_time < 60_000
    assert abs(said.end_time / 1000 - time()) < 60


async def test_a_running_job_is_stopped_and_knows_its_driver(head: RayHead, client: JobsClient) -> None:
    program = f"{head.python} -c 'import ray, time; ray.init(log_to_driver=False); time.sleep(300)'"
    assert await client.submit(JobSubmitRequest(program, "runs"), 30) == JobAccepted("runs")
    said = await answered(
        "its driver", client, "runs", lambda said: isinstance(said, JobDetails) and bool(said.job_id), head
    )
    assert isinstance(said, JobDetails)
    assert said.status == "RUNNING"
    driver = await client.get_job(said.job_id)
    assert isinstance(driver, DashboardFailure), "a driver's id is none of a submission"
    assert driver.trouble is DashboardTrouble.INVALID
    assert await client.stop("runs") == JobStopped("runs", stopping=True)
    assert (await ended(client, "runs", head)).status == "STOPPED"
    deadline = monotonic() + 60
    while (stopped := await client.stop("runs")) != JobStopped("runs", stopping=False):
        # Until its supervisor has ended as well, a moment after the job.
        assert stopped == JobStopped("runs", stopping=True)
        assert monotonic() < deadline, "timed out waiting for Ray to have stopped the job"
    assert await client.stop("none") == UnknownJob("none")


async def test_submissions_that_ray_takes_for_wrong_are_refused(client: JobsClient) -> None:
    """By the dashboard itself, and by the agent behind it, which is reported with status 500."""
    wrong = JobSubmitRequest("true", "wrong", metadata={"number": 7})  # type: ignore[dict-item]  # on purpose
    said = await client.submit(wrong, 30)
    assert isinstance(said, DashboardFailure)
    assert said.trouble is DashboardTrouble.REFUSED
    assert "number" in said.message or "metadata" in said.message, said


async def test_the_poller_follows_two_jobs_of_one_head(head: RayHead, client: JobsClient) -> None:
    """From before their submission to their ends, and wakes their key for each news."""
    woken: list[Key] = []
    poller = JobsPoller(woken.append, seconds=5)
    poller.watch(KEY, Target("uid", head.dashboard), ("one", "two"), active=True)

    def statuses() -> list[str]:
        seen = poller.observation(KEY)
        answers = [each.answer for each in seen.jobs.values()] if seen is not None else []
        return sorted(each.status if isinstance(each, JobDetails) else "unknown" for each in answers)

    await until("both to be unknown", lambda: statuses() == ["unknown", "unknown"])
    for name, code in (("one", 0), ("two", 1)):
        await client.submit(JobSubmitRequest(f"exit {code}", name), 30)
    await until("both to end", lambda: statuses() == ["FAILED", "SUCCEEDED"], seconds=60)
    await poller.close()
    assert 3 <= len(woken) < 12
    listed = await client.list_jobs({"one", "two", "none"})
    assert isinstance(listed, JobListing)
    assert set(listed.jobs) == {"one", "two"}


async def test_a_head_with_a_token_wants_it_in_the_header() -> None:
    """Any other request is refused, also one without."""
    python = python_with_ray("2.60.0", dashboard=True)
    with ray_head(TOKEN, python, dashboard=True) as head:
        clients = {token: JobsClient(head.dashboard, token, seconds=5) for token in (TOKEN, "another", None)}
        await answered("an answer", clients[TOKEN], "none", lambda said: isinstance(said, UnknownJob), head)
        assert await clients[TOKEN].submit(JobSubmitRequest("true", "a"), 30) == JobAccepted("a")
        for token in ("another", None):
            said = await clients[token].get_job("a")
            assert isinstance(said, DashboardFailure)
            assert said.trouble is DashboardTrouble.UNAUTHENTICATED
        for each in clients.values():
            await each.close()
