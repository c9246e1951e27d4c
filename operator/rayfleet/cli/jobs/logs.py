"""`rayfleet logs`: what the driver of a job has written."""

import argparse
from collections import deque

from rayfleet.api.rayjob.status import RayJobStatus, recorded
from rayfleet.cli.api_server import ApiServer, api_server
from rayfleet.cli.errors import CommandError
from rayfleet.cli.heads import find_head
from rayfleet.cli.jobs.dashboard import HeadDashboard
from rayfleet.cli.jobs.follower import Follower
from rayfleet.cli.jobs.log_text import LogText
from rayfleet.cli.jobs.narration import is_in_ray
from rayfleet.cli.jobs.screen import Screen
from rayfleet.cli.jobs.stopping import read_job
from rayfleet.cli.port_forward import ForwardError, refused
from rayfleet.errors import DashboardFailure
from rayfleet.kube.objects.roots import Root


def logs(given: argparse.Namespace) -> int:
    """The exit code. Raises CommandError if the log cannot be read."""
    screen = Screen(given.job)
    with api_server(given.kubeconfig, given.context) as server:
        job = read_job(server, given.namespace or server.namespace, given.job)
        status = recorded(job.status)
        seen = 0
        if not given.follow or (given.tail is not None and is_in_ray(status)):
            seen = _so_far(server, job, status, screen, given.tail)
        if given.follow:
            ending = Follower(server, job, screen, skip=seen).until_end()
            screen.say(ending.words)
    return 0


def _so_far(server: ApiServer, job: Root, status: RayJobStatus, screen: Screen, tail: int | None) -> int:
    """Show the log as it is now, or its last lines, and return how many characters it has."""
    if not is_in_ray(status):
        state = status.job_deployment_status or "new"
        raise CommandError(
            f"RayJob {job.key.name} has no log yet, as it is {state}: wait for it with -f, or see what it"
            f" waits for with `rayfleet explain rayjob/{job.key.name}`."
        )
    head = find_head(server, job.key.namespace, status.ray_cluster_name)
    if isinstance(head, str):
        raise CommandError(_lost(job, status, head))
    text, last, length = LogText(), deque[str](maxlen=tail), 0
    try:
        for piece in HeadDashboard(server, head).log(status.job_id):
            if isinstance(piece, DashboardFailure):
                raise CommandError(f"the log cannot be read: {piece.message}")
            length += len(piece)
            last.extend(text.feed(piece))
            if tail is None:
                screen.log(last)
                last.clear()
    except ForwardError as error:
        raise CommandError(f"the log cannot be read: {refused(error, head.pod.name)}") from None
    last.extend(text.end())
    screen.log(last)
    return length


def _lost(job: Root, status: RayJobStatus, why: str) -> str:
    if not status.has_ended:
        return f"the log cannot be read: {why}"
    return (
        f"the log of RayJob {job.key.name} is gone with its cluster ({why}): a log is kept for as long as the"
        " cluster, for which ttlSecondsAfterFinished or --keep leaves time; in K8sJobMode see `kubectl logs"
        f" job/{job.key.name}`."
    )
