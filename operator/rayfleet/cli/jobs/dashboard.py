"""The dashboard of one head, asked through a port-forward with the user's own rights.

Each question has a connection of its own, which is cut when its time is over. Whatever the head answers is
bounded and checked as the operator does it. Without the right to a port-forward, ForwardError is raised.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Timer
from typing import Any, Final
from urllib.parse import quote

import msgspec

from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.heads import Head
from rayfleet.cli.jobs.log_answer import LogAnswer, NotALogError
from rayfleet.cli.live_queue import find_token
from rayfleet.cli.port_forward import FORBIDDEN, Forward, ForwardError, forwarded
from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.kinds.raycluster.manifests.ports import dashboard_port
from rayfleet.ray.dashboard import AlreadySubmitted, JobAccepted, JobAnswer, JobStopped, UnknownJob
from rayfleet.ray.dashboard.answers import Reply, failure_from
from rayfleet.ray.dashboard.bounds import LARGEST_JOB, LARGEST_REFUSAL
from rayfleet.ray.dashboard.job_details import details_from

QUESTION_SECONDS: Final = 10.0
SUBMIT_SECONDS: Final = 20.0
"""A head waits ten seconds for the agent of its node, which starts after it."""
UPLOAD_SECONDS: Final = 600.0
LOG_SECONDS: Final = 3600.0
_PIECE: Final = 64 << 10
_PREFIX: Final = "unix:"


class HeadDashboard:
    """Asks one head about its jobs. Every answer may be a DashboardFailure."""

    def __init__(self, server: ApiServer, head: Head) -> None:
        self._server = server
        self._namespace = head.cluster.key.namespace
        self._port = dashboard_port(head.spec.head_group_spec)
        self._token = find_token(server, head.cluster, head.spec)
        self.pod = head.pod.name

    def job(self, job_id: str) -> JobAnswer:
        """What Ray says about a job."""
        reply = self._ask("GET", job_path(job_id), LARGEST_JOB)
        if isinstance(reply, DashboardFailure):
            return reply
        if reply.unknown:
            return UnknownJob(job_id)
        return details_from(reply.body, job_id, self._secret) if reply.succeeded else self._failure(reply)

    def stop(self, job_id: str) -> JobStopped | UnknownJob | DashboardFailure:
        """Ask Ray to stop a job. It ends later, as STOPPED."""
        reply = self._ask("POST", f"{job_path(job_id)}/stop", LARGEST_REFUSAL, b"")
        if isinstance(reply, DashboardFailure):
            return reply
        if reply.unknown:
            return UnknownJob(job_id)
        if not reply.succeeded:
            return self._failure(reply)
        try:
            stopping = msgspec.json.decode(reply.body, type=_StopAnswer).stopped
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return DashboardFailure(DashboardTrouble.NOT_JSON, "the answer is not what Ray says about a stop")
        return JobStopped(job_id, stopping)

    def submit(self, body: Mapping[str, Any]) -> JobAccepted | AlreadySubmitted | DashboardFailure:
        """Submit a job, once: a repetition is answered with `AlreadySubmitted`."""
        job_id = str(body["submission_id"])
        content = msgspec.json.encode(body)
        reply = self._ask("POST", "/api/jobs/", LARGEST_REFUSAL, content, SUBMIT_SECONDS)
        if isinstance(reply, DashboardFailure):
            return reply
        if reply.taken:
            return AlreadySubmitted(job_id)
        return JobAccepted(job_id) if reply.succeeded else self._failure(reply)

    def upload(self, name: str, content: bytes) -> DashboardFailure | None:
        """Put a package into the head's store, where `gcs://<name>` names it."""
        path = f"/api/packages/gcs/{quote(name, safe='')}"
        there = self._ask("GET", path, LARGEST_REFUSAL)
        if isinstance(there, Reply) and there.succeeded:
            return None
        reply = self._ask("PUT", path, LARGEST_REFUSAL, content, UPLOAD_SECONDS)
        if isinstance(reply, DashboardFailure):
            return reply
        return None if reply.succeeded else self._failure(reply)

    def log(self, job_id: str) -> Iterator[str | DashboardFailure]:
        """The log as it is now, in pieces; a failure ends it."""
        try:
            with self._answer("GET", f"{job_path(job_id)}/logs", None, LOG_SECONDS) as answer:
                if answer.status != 200:  # noqa: PLR2004 - OK
                    yield self._failure(Reply(answer.status, answer.read(LARGEST_REFUSAL)))
                    return
                decoder = LogAnswer()
                while not decoder.whole and (piece := answer.read1(_PIECE)):
                    yield decoder.feed(piece)
                if not decoder.whole:
                    yield DashboardFailure(DashboardTrouble.UNREACHABLE, "the log was cut")
        except NotALogError:
            yield DashboardFailure(DashboardTrouble.NOT_JSON, "the answer is not what Ray says about a log")
        except _FailedError as failed:
            yield failed.failure

    @contextmanager
    def connected(self, silence: float) -> Iterator[tuple[socket.socket, Forward]]:
        """A connection to the dashboard's port, which is cut after this many silent seconds.

        Raises ForwardError or OSError.
        """
        with forwarded(self._server, self._namespace, self.pod, self._port, silence=silence) as (at, forward):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with connection:
                connection.settimeout(QUESTION_SECONDS)
                connection.connect(at.removeprefix(_PREFIX))
                yield connection, forward

    def headers(self) -> Mapping[str, str]:
        """What identifies the user to the head."""
        return {"x-ray-authorization": f"Bearer {self._token.value}"} if self._token.value else {}

    @property
    def trouble(self) -> str:
        """Why the head cannot be asked; empty if it can."""
        return self._token.trouble

    @property
    def _secret(self) -> str:
        return self._token.value or ""

    def _failure(self, reply: Reply) -> DashboardFailure:
        return failure_from(reply, self._secret)

    def _ask(
        self,
        method: str,
        path: str,
        most: int,
        body: bytes | None = None,
        seconds: float | None = None,
    ) -> Reply | DashboardFailure:
        try:
            with self._answer(method, path, body, seconds or QUESTION_SECONDS) as answer:
                content = answer.read(most + 1)
                is_cut = len(content) <= most and bool(answer.length)
        except _FailedError as failed:
            return failed.failure
        if is_cut:
            return DashboardFailure(DashboardTrouble.UNREACHABLE, "the answer was cut")
        if len(content) > most:
            return DashboardFailure(DashboardTrouble.TOO_LARGE, f"the answer has more than {most} bytes")
        return Reply(answer.status, content)

    @contextmanager
    def _answer(self, method: str, path: str, body: bytes | None, seconds: float) -> Iterator[HTTPResponse]:
        """The answer to one request, whose body is still to be read. Raises _FailedError and ForwardError."""
        if self.trouble:
            raise _FailedError(DashboardTrouble.UNAUTHENTICATED, self.trouble)
        headers = {"Accept": "application/json", "Content-Type": "application/json", **self.headers()}
        forward, late = None, _Late()
        try:
            with self.connected(seconds) as (connection, forward), _cut_after(seconds, forward, late):
                http = HTTPConnection("ray", timeout=seconds)
                http.sock = connection
                http.request(method, path, body, headers)
                yield http.getresponse()
        except ForwardError as error:
            if error.status == FORBIDDEN:
                raise
            raise _FailedError(DashboardTrouble.UNREACHABLE, str(error)) from None
        except (OSError, HTTPException) as error:
            if late.cut:
                raise _FailedError(
                    DashboardTrouble.TIMEOUT, f"no complete answer in {seconds:.0f} s"
                ) from None
            said = (forward.error if forward is not None else "") or str(error) or type(error).__name__
            raise _FailedError(DashboardTrouble.UNREACHABLE, " ".join(said.split())) from None


class _FailedError(Exception):
    """Carries a failure out of a connection."""

    def __init__(self, trouble: DashboardTrouble, message: str) -> None:
        super().__init__(message)
        self.failure = DashboardFailure(trouble, message)


class _StopAnswer(msgspec.Struct):
    stopped: bool


class _Late:
    """Whether a connection has been cut because its time was over."""

    cut = False


@contextmanager
def _cut_after(seconds: float, forward: Forward, late: _Late) -> Iterator[None]:
    """Cut a connection when the time is over: a head could send a byte now and then for ever."""

    def cut() -> None:
        late.cut = True
        forward.close()

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def job_path(job_id: str) -> str:
    """The path of a job in Ray's API."""
    return f"/api/jobs/{quote(job_id, safe='')}"
