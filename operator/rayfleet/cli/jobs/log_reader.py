"""Follows the log of a job for as long as somebody asks for it: whatever is cut is connected again."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.heads import find_head
from rayfleet.cli.jobs.dashboard import HeadDashboard
from rayfleet.cli.jobs.log_stream import LogStream, StreamError, log_stream
from rayfleet.cli.jobs.log_text import LogText
from rayfleet.cli.port_forward import FORBIDDEN, ForwardError, refused
from rayfleet.ray.dashboard import JobDetails

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0
"""Seconds before a connection is tried again; each time in vain doubles them."""
_LONGEST_END: Final = 30.0
"""Seconds for which the rest of a log is read once its job has ended."""
_LONGEST_CONNECT: Final = 5.0
"""Seconds in which the head must let itself be asked for it."""


class LogReader:
    """Shows the lines of one job's log. `show` gets them, `complain` why there are none."""

    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        show: Callable[[list[str]], None],
        complain: Callable[[str], None],
        skip: int = 0,
    ) -> None:
        self._server = server
        self._namespace = namespace
        self._show = show
        self._complain = complain
        self._job_id = ""
        self._skip = skip
        """Characters of the first job's log that were shown already."""
        self._text = LogText()
        self._stack = ExitStack()
        self._stream: LogStream | None = None
        self._dashboard: HeadDashboard | None = None
        self._again_at, self._wait = 0.0, _FIRST_WAIT
        self._complaint = ""
        self.is_allowed = True
        """False once the API server has refused the port-forward: nothing of the log can be read."""
        self.is_whole = False
        """Whether all of it has come: the head has closed the stream, and says that the job has ended."""
        self.details: JobDetails | None = None
        """What Ray has said of the job when the stream ended."""

    def follow(self, cluster: str, job_id: str, seconds: float) -> None:
        """Show what comes within so many seconds; return as soon as something has come."""
        if job_id != self._job_id:
            self.close()
            self._show(self._text.end())
            self._job_id, self._text = job_id, LogText(self._skip)
            self._skip = 0  # Another attempt has a log of its own.
            self._again_at, self._wait = 0.0, _FIRST_WAIT
            self.is_whole, self.details = False, None
        if self._stream is None and not self._connect(cluster):
            time.sleep(seconds)
        if self._stream is None:
            return
        text = self._stream.read(seconds)
        if text:
            self._show(self._text.feed(text))
            self._wait = _FIRST_WAIT
        if self._stream.ended and not text:
            closed = self._stream.closed
            self.close()
            self._again_at = time.monotonic() + self._wait
            self.is_whole = closed and self._has_ended()

    def finish(self, cluster: str, job_id: str) -> None:
        """Show the rest of the log of a job that has ended."""
        start = time.monotonic()
        self._again_at = 0.0
        while not self.is_whole and self.is_allowed:
            if time.monotonic() - start > (_LONGEST_CONNECT if self._stream is None else _LONGEST_END):
                break
            if self._stream is None:
                head = find_head(self._server, self._namespace, cluster)
                if isinstance(head, str):
                    self._say(head)
                    break
            self.follow(cluster, job_id, _FIRST_WAIT)
        self._show(self._text.end())
        self.close()

    def close(self) -> None:
        """Cut the connection, if there is one."""
        self._stack.close()
        self._stream = None

    def _connect(self, cluster: str) -> bool:
        if not self.is_allowed or self.is_whole or time.monotonic() < self._again_at:
            return False
        self._again_at = time.monotonic() + self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
        head = find_head(self._server, self._namespace, cluster)
        if isinstance(head, str):
            self._say(head)
            return False
        self._text.again()
        try:
            self._dashboard = HeadDashboard(self._server, head)
            self._stream = self._stack.enter_context(log_stream(self._dashboard, self._job_id))
        except ForwardError as error:
            self.is_allowed = error.status != FORBIDDEN
            self._say(refused(error, head.pod.name))
        except (StreamError, OSError) as error:
            self._say(str(error))
        else:
            self._complaint = ""
        return self._stream is not None

    def _has_ended(self) -> bool:
        """Whether the job is over in Ray; if not, or if Ray cannot be asked, there may be more."""
        if self._dashboard is None:
            return False
        try:
            answer = self._dashboard.job(self._job_id)
        except ForwardError:
            return False
        if isinstance(answer, JobDetails) and answer.terminal:
            self.details = answer
        return self.details is not None

    def _say(self, why: str) -> None:
        """Complain, once for each reason."""
        if why != self._complaint:
            self._complaint = why
            self._complain(f"the log cannot be read: {why}")
