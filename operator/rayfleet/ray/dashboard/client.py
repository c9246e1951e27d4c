"""A client of the job API of a head's dashboard, over HTTP: Ray has no TLS there. Failures are values."""

import re
from collections.abc import Awaitable, Collection, Mapping
from time import monotonic
from typing import Final, TypeVar
from urllib.parse import quote

from msgspec import MsgspecError, Struct
from msgspec.json import decode, encode

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.kube.client.calls import DashboardCalls
from rayfleet.ray.dashboard.answers import Reply, failure_from
from rayfleet.ray.dashboard.bounds import LARGEST_JOB, LARGEST_LIST, LARGEST_REFUSAL, LONGEST_ID, SHOWN
from rayfleet.ray.dashboard.job_details import details_from, listing_from
from rayfleet.ray.dashboard.jobs import (
    AlreadySubmitted,
    JobAccepted,
    JobAnswer,
    JobListing,
    JobStopped,
    JobSubmitRequest,
    UnknownJob,
)
from rayfleet.ray.dashboard.session import DashboardSession, Request

CALL_SECONDS: Final = 2.0
"""How long a question or a stop may take by default."""
SUBMIT_SECONDS: Final = 10.0
"""How long a submission may take: a head waits as long for the agent of its node, which starts after it."""

_JOBS: Final = "/api/jobs/"
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")
_A = TypeVar("_A")


class JobsClient:
    """Asks the dashboard at `address` (`host:port`), with `token` if the cluster's auth mode is token.

    - Each call returns its answer or a `DashboardFailure` within its seconds, and raises nothing.
    - A submission without an answer may have been accepted: ask for the job before submitting it again.
    - Clients may share the connections of one `session`; a large answer is read in the turns of `namespace`.
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        session: DashboardSession | None = None,
        seconds: float = CALL_SECONDS,
        namespace: str = "",
        calls: DashboardCalls | None = None,
    ) -> None:
        self._address = address
        self._token = token
        self._session = DashboardSession() if session is None else session
        self._shares = session is not None
        self._seconds = seconds
        self._namespace = namespace
        self._calls = calls if calls is not None else DashboardCalls()

    async def get_job(self, submission_id: str) -> JobAnswer:
        """What Ray says about one job."""
        return await self._counted("GetJob", self._get_job(submission_id))

    async def _get_job(self, submission_id: str) -> JobAnswer:
        reply = await self._ask(submission_id, "", LARGEST_JOB)
        if isinstance(reply, DashboardFailure):
            return reply
        if reply.unknown:
            return UnknownJob(submission_id)
        if not reply.succeeded:
            return self._failure(reply)
        return details_from(reply.body, submission_id, self._token or "")

    async def list_jobs(self, ids: Collection[str]) -> JobListing | DashboardFailure:
        """The jobs with these submission ids, by one request. It is dear for a head with many old jobs."""
        return await self._counted("ListJobs", self._list_jobs(ids))

    async def _list_jobs(self, ids: Collection[str]) -> JobListing | DashboardFailure:
        reply = await self._send(_JOBS, LARGEST_LIST, self._seconds)
        if isinstance(reply, DashboardFailure):
            return reply
        if not reply.succeeded:
            return self._failure(reply)
        return listing_from(reply.body, ids, self._token or "")

    async def submit(
        self, job: JobSubmitRequest, seconds: float = SUBMIT_SECONDS
    ) -> JobAccepted | AlreadySubmitted | DashboardFailure:
        """Submit a job, once: a repetition is answered with `AlreadySubmitted`."""
        return await self._counted("SubmitJob", self._submit(job, seconds))

    async def _submit(
        self, job: JobSubmitRequest, seconds: float
    ) -> JobAccepted | AlreadySubmitted | DashboardFailure:
        if (refusal := _unsendable(job.submission_id)) is not None:
            return refusal
        try:
            body = encode(job)
        except (MsgspecError, TypeError, ValueError, RecursionError) as error:
            return DashboardFailure(DashboardTrouble.REFUSED, f"the job cannot be written as JSON: {error}")
        reply = await self._send(_JOBS, LARGEST_REFUSAL, seconds, body)
        if isinstance(reply, DashboardFailure):
            return reply
        if reply.taken:
            return AlreadySubmitted(job.submission_id)
        if not reply.succeeded:
            return self._failure(reply)
        answer = _read(reply.body, _Submitted)
        if isinstance(answer, DashboardFailure):
            return answer
        if answer.submission_id != job.submission_id:
            return DashboardFailure(DashboardTrouble.INVALID, "the answer is about another job")
        return JobAccepted(job.submission_id)

    async def stop(self, submission_id: str) -> JobStopped | UnknownJob | DashboardFailure:
        """Ask Ray to stop a job. It ends later, as STOPPED."""
        return await self._counted("StopJob", self._stop(submission_id))

    async def _stop(self, submission_id: str) -> JobStopped | UnknownJob | DashboardFailure:
        reply = await self._ask(submission_id, "/stop", LARGEST_REFUSAL, b"")
        if isinstance(reply, DashboardFailure):
            return reply
        if reply.unknown:
            return UnknownJob(submission_id)
        if not reply.succeeded:
            return self._failure(reply)
        answer = _read(reply.body, _Stopped)
        return answer if isinstance(answer, DashboardFailure) else JobStopped(submission_id, answer.stopped)

    async def close(self) -> None:
        """Close the connections, unless others share them."""
        if not self._shares:
            await self._session.close()

    async def _counted(self, method: str, call: Awaitable[_A]) -> _A:
        """The answer to a call, with its outcome and its duration recorded."""
        began = monotonic()
        answer = await call
        self._calls.took(method, monotonic() - began)
        self._calls.count(method, _outcome(answer))
        return answer

    async def _ask(
        self, submission_id: str, what: str, most: int, body: bytes | None = None
    ) -> Reply | DashboardFailure:
        refusal = _unsendable(submission_id)
        if refusal is not None:
            return refusal
        return await self._send(f"{_JOBS}{quote(submission_id, safe='')}{what}", most, self._seconds, body)

    async def _send(
        self, path: str, most: int, seconds: float, body: bytes | None = None
    ) -> Reply | DashboardFailure:
        headers = self._headers()
        if isinstance(headers, DashboardFailure):
            return headers
        request = Request(self._address, path, most, seconds, headers, body, self._namespace)
        return await self._session.ask(request)

    def _headers(self) -> Mapping[str, str] | DashboardFailure:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token is None:
            return headers
        if not _SENDABLE.fullmatch(self._token):
            message = (
                "the token is empty or has characters other than printable ASCII; put a valid one into its "
                "Secret"
            )
            return DashboardFailure(DashboardTrouble.UNAUTHENTICATED, message)
        return {**headers, "x-ray-authorization": f"Bearer {self._token}"}

    def _failure(self, reply: Reply) -> DashboardFailure:
        return failure_from(reply, self._token or "")


class _Submitted(Struct):
    submission_id: str


class _Stopped(Struct):
    stopped: bool


_T = TypeVar("_T", _Submitted, _Stopped)


def _read(raw: bytes, kind: type[_T]) -> _T | DashboardFailure:
    try:
        return decode(raw, type=kind)
    except (MsgspecError, RecursionError, UnicodeDecodeError) as error:
        message = f"the answer is not what Ray says about a request: {error}"
        return DashboardFailure(DashboardTrouble.NOT_JSON, message[:SHOWN])


def _outcome(answer: object) -> str:
    """What an answer counts as."""
    if isinstance(answer, DashboardFailure):
        return answer.trouble.value
    return "unknown_job" if isinstance(answer, UnknownJob) else "ok"


def _unsendable(submission_id: str) -> DashboardFailure | None:
    """The failure for an id that is not sent: its path would be another, or Ray would never run the job."""
    if submission_id in {"", ".", ".."} or "/" in submission_id or len(submission_id) > LONGEST_ID:
        message = (
            f"a submission id has 1 to {LONGEST_ID} characters without a slash, and is not a dot or two; "
            "set another spec.jobId"
        )
        return DashboardFailure(DashboardTrouble.REFUSED, message)
    return None
