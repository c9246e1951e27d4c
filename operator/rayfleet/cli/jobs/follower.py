"""Follows a job to its end, whatever happens to the connections on the way.

Only the RayJob's status says how it ended: a log that ends, or a head that cannot be asked, says nothing.
"""

import time
from typing import Final, Protocol

from rayfleet.api.rayjob.status import JobDeploymentStatus, RayJobStatus, recorded
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.errors import CommandError
from rayfleet.cli.heads import find_head
from rayfleet.cli.jobs.dashboard import HeadDashboard
from rayfleet.cli.jobs.log_reader import LogReader
from rayfleet.cli.jobs.narration import LastWord, Narrator, ending_of, is_in_ray, stage_of
from rayfleet.cli.jobs.screen import Screen
from rayfleet.cli.paths import path_of
from rayfleet.cli.port_forward import ForwardError
from rayfleet.cli.unread import NOT_FOUND, unread
from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.roots import Root, root_from_object
from rayfleet.ray.dashboard import JobDetails

LIVELY_SECONDS: Final = 1.0
"""Between two looks at a job that starts, or whose log has ended."""
QUIET_SECONDS: Final = 3.0
"""Between two looks at a job that runs: its log says more than its status."""
_DELETED: Final = LastWord("was deleted", 1)
_LONGEST_WAIT: Final = 15.0
"""Between two looks while the API server does not answer."""


class Sender(Protocol):
    """Submits the job when its cluster is there, if the operator does not."""

    def attend(self, job: Root, status: RayJobStatus) -> None:
        """Do what is to be done now. Raises CommandError if it can never be done."""


class Follower:
    """One job, followed."""

    def __init__(
        self, server: ApiServer, job: Root, screen: Screen, sender: Sender | None = None, skip: int = 0
    ) -> None:
        self._server = server
        self._namespace, self._name, self._uid = job.key.namespace, job.key.name, job.uid
        self._screen = screen
        self._sender = sender
        self._began = time.monotonic()
        self._narrator = Narrator(self._began)
        self._log = LogReader(server, self._namespace, screen.log, screen.say, skip)
        self._silent = False
        self._read: RayJobStatus | None = None
        """When its log was read last; None if all of that has been shown."""

    def until_submitted(self) -> LastWord | None:
        """Wait until Ray has the job; how it has ended if that comes first."""
        while True:
            job = self._look()
            if job is None:
                return _DELETED
            status = recorded(job.status)
            if is_over(status) or is_in_ray(status):
                return ending_of(status, None) if is_over(status) else None
            self._attend(job, status)
            time.sleep(LIVELY_SECONDS)

    def until_end(self) -> LastWord:
        """Wait for the end, and show the log. Raises CommandError if the job can no longer be read."""
        try:
            while True:
                job = self._look()
                if job is None:
                    return _DELETED
                status = recorded(job.status)
                if is_over(status):
                    return self._ended(status)
                self._attend(job, status)
                self._read_on(status)
        finally:
            self._log.close()

    def _attend(self, job: Root, status: RayJobStatus) -> None:
        now = time.monotonic()
        stage = stage_of(status, now - self._began)
        if (line := self._narrator.line(stage, now)) is not None:
            self._screen.say(line)
        if self._sender is not None:
            self._sender.attend(job, status)

    def _read_on(self, status: RayJobStatus) -> None:
        """Show what comes of the log until the next look."""
        if not is_in_ray(status):
            if self._read is not None:  # The attempt is over, and its log goes with its cluster.
                self._log.finish(self._read.ray_cluster_name, self._read.job_id)
                self._read = None
            time.sleep(LIVELY_SECONDS)
            return
        self._read = status
        until = time.monotonic() + (LIVELY_SECONDS if self._log.is_whole else QUIET_SECONDS)
        while (left := until - time.monotonic()) > 0:
            self._log.follow(status.ray_cluster_name, status.job_id, min(left, LIVELY_SECONDS))

    def _ended(self, status: RayJobStatus) -> LastWord:
        code = None
        if is_in_ray(status):
            # First of all, as the cluster may be about to go.
            code = self._exit_code(status) if status.job_status != "SUCCEEDED" else 0
            self._log.finish(status.ray_cluster_name, status.job_id)
        return ending_of(status, code)

    def _exit_code(self, status: RayJobStatus) -> int | None:
        """The driver's exit code, if its head has told it, or can still be asked."""
        known = self._log.details
        if known is not None and known.submission_id == status.job_id:
            return known.driver_exit_code
        head = find_head(self._server, self._namespace, status.ray_cluster_name)
        if isinstance(head, str):
            return None
        try:
            details = HeadDashboard(self._server, head).job(status.job_id)
        except ForwardError:
            return None
        return details.driver_exit_code if isinstance(details, JobDetails) else None

    def _look(self) -> Root | None:
        """The job as it is now; None if it does not exist any more."""
        wait = LIVELY_SECONDS
        while True:
            answer = self._server.get(path_of(RAYJOBS, self._namespace, self._name))
            if not isinstance(answer, ApiFailure):
                self._silent = False
                job = root_from_object(answer, RAYJOBS.kind)
                return job if job.uid == self._uid else None
            if answer.status == NOT_FOUND:
                return None
            if policy(answer) is not Policy.RETRY:
                raise CommandError(unread(answer, self._server, RAYJOBS, self._namespace, self._name))
            if not self._silent:
                self._silent = True
                self._screen.say(f"the API server does not answer; the job goes on ({answer.message})")
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)


def is_over(status: RayJobStatus) -> bool:
    """Whether nothing more happens unless somebody changes the job."""
    return status.has_ended or status.job_deployment_status == JobDeploymentStatus.VALIDATION_FAILED
