"""Stops a job in Ray, or deletes it."""

import time
from typing import Final

from rayfleet.api.rayjob.status import RayJobStatus, recorded
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.errors import CommandError
from rayfleet.cli.heads import find_head
from rayfleet.cli.jobs.dashboard import HeadDashboard
from rayfleet.cli.jobs.narration import is_in_ray
from rayfleet.cli.paths import path_of
from rayfleet.cli.port_forward import ForwardError, refused
from rayfleet.cli.unread import NOT_FOUND, unread
from rayfleet.errors import ApiFailure, DashboardFailure
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.roots import Root, root_from_object
from rayfleet.ray.dashboard import UnknownJob

PATIENCE_SECONDS: Final = 30.0
"""How long a stop is waited for: Ray kills a driver that ignores it after three seconds."""
_BETWEEN_SECONDS: Final = 1.0


def read_job(server: ApiServer, namespace: str, name: str) -> Root:
    """The job. Raises CommandError if it cannot be read."""
    answer = server.get(path_of(RAYJOBS, namespace, name))
    if isinstance(answer, ApiFailure):
        raise CommandError(unread(answer, server, RAYJOBS, namespace, name))
    return root_from_object(answer, RAYJOBS.kind)


def stop_in_ray(server: ApiServer, job: Root) -> str:
    """Ask Ray to stop the job, and say what came of that. Raises CommandError if that is not possible."""
    status = recorded(job.status)
    if status.has_ended:
        return f"it is over: {status.job_status or status.job_deployment_status}"
    if not is_in_ray(status):
        raise CommandError(
            f"RayJob {job.key.name} is {status.job_deployment_status or 'new'}, and not in Ray yet, so there"
            " is nothing to stop: delete it with --delete."
        )
    head = find_head(server, job.key.namespace, status.ray_cluster_name)
    if isinstance(head, str):
        raise CommandError(f"Ray cannot be asked to stop the job: {head}; delete the job with --delete.")
    try:
        answer = HeadDashboard(server, head).stop(status.job_id)
    except ForwardError as error:
        raise CommandError(
            f"{refused(error, head.pod.name)}; without that right, delete the job with --delete."
        ) from None
    if isinstance(answer, DashboardFailure):
        raise CommandError(f"Ray did not take the request to stop the job: {answer.message}; try it again.")
    if isinstance(answer, UnknownJob):
        raise CommandError(f"Ray does not know job {status.job_id} any more: delete the job with --delete.")
    return "Ray stops it" if answer.stopping else "it is over in Ray"


def await_end(server: ApiServer, job: Root) -> RayJobStatus | None:
    """The status of the job once it has ended; None if it is gone, or takes longer than it should."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        answer = server.get(path_of(RAYJOBS, job.key.namespace, job.key.name))
        if not isinstance(answer, ApiFailure):
            status = recorded(root_from_object(answer, RAYJOBS.kind).status)
            if status.has_ended:
                return status
        elif answer.status == NOT_FOUND:
            return None
        time.sleep(_BETWEEN_SECONDS)
    return None


def delete_job(server: ApiServer, job: Root) -> None:
    """Delete the job, with its cluster. Raises CommandError."""
    answer = server.delete(path_of(RAYJOBS, job.key.namespace, job.key.name), job.uid)
    if isinstance(answer, ApiFailure) and answer.status != NOT_FOUND:
        raise CommandError(f"RayJob {job.key.name} cannot be deleted: {answer.message}")
