"""Sends a working directory to the head, and then the job: the operator cannot read the user's machine."""

from typing import Final

from rayfleet.api.rayjob import RayJobSpec, parse_spec
from rayfleet.api.rayjob.status import JobDeploymentStatus, RayJobStatus
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.errors import CommandError
from rayfleet.cli.heads import find_head
from rayfleet.cli.jobs.dashboard import HeadDashboard
from rayfleet.cli.jobs.package import Package
from rayfleet.cli.jobs.screen import Screen
from rayfleet.cli.paths import path_of
from rayfleet.cli.port_forward import ForwardError, refused
from rayfleet.errors import ApiFailure, DashboardFailure, DashboardTrouble, Policy, policy
from rayfleet.kinds.rayjob.manifests.submission import job_submission
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.roots import Root

_FINAL: Final = frozenset(
    {
        DashboardTrouble.REFUSED,
        DashboardTrouble.UNAUTHENTICATED,
        DashboardTrouble.REDIRECTED,
        DashboardTrouble.UNSUPPORTED,
        DashboardTrouble.TOO_LARGE,
    }
)
"""Failures after which the same request fails again."""
_READY: Final = frozenset({JobDeploymentStatus.WAITING, JobDeploymentStatus.RUNNING})


class UnsendableError(CommandError):
    """The job can never be sent."""


class PackageSender:
    """Sends the package of one job to each cluster that the job gets, once."""

    def __init__(self, server: ApiServer, package: Package, screen: Screen) -> None:
        self._server = server
        self._package = package
        self._screen = screen
        self._sent_to = ""
        self._complaint = ""

    def attend(self, job: Root, status: RayJobStatus) -> None:
        """Send it if the cluster waits for it. Raises UnsendableError if that can never succeed."""
        waits = status.job_deployment_status in _READY and status.submission.accepted_time is None
        if not waits or status.ray_cluster_name == self._sent_to:
            return
        trouble = self._send(job, status)
        if not trouble:
            self._sent_to = status.ray_cluster_name
        elif trouble != self._complaint:
            self._complaint = trouble
            self._screen.say(f"the job cannot be sent yet, and is tried again: {trouble}")

    def _send(self, job: Root, status: RayJobStatus) -> str:
        """Why it could not be sent this time; empty if it was."""
        head = find_head(self._server, job.key.namespace, status.ray_cluster_name)
        if isinstance(head, str):
            return head
        spec = parse_spec(job.spec)
        if not isinstance(spec, RayJobSpec):
            return "its spec is not valid"
        job_id = spec.job_id or f"{job.key.name}-{job.uid[:8]}"
        dashboard = HeadDashboard(self._server, head)
        try:
            failure = dashboard.upload(self._package.name, self._package.content)
            answer = failure or dashboard.submit(job_submission(spec, job_id))
        except ForwardError as error:
            raise UnsendableError(f"the job cannot be sent: {refused(error, head.pod.name)}") from None
        if isinstance(answer, DashboardFailure):
            if answer.trouble in _FINAL:
                raise UnsendableError(f"the job cannot be sent: {answer.message}")
            return answer.message
        self._screen.say(f"sent the working directory ({self._package.words}) and the job to {head.pod.name}")
        return self._name(job, job_id)

    def _name(self, job: Root, job_id: str) -> str:
        """Tell the operator which job is the RayJob's; why that was not possible this time, if it was not."""
        path = path_of(RAYJOBS, job.key.namespace, job.key.name)
        answer = self._server.merge(path, {"metadata": {"uid": job.uid}, "spec": {"jobId": job_id}})
        if not isinstance(answer, ApiFailure):
            return ""
        if policy(answer) is not Policy.RETRY:
            raise UnsendableError(f"spec.jobId of the RayJob cannot be set: {answer.message}")
        return answer.message
