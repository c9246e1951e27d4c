"""`rayfleet stop`: a job ends in Ray as STOPPED, or is deleted."""

import argparse

from rayfleet.cli.api_server import api_server
from rayfleet.cli.jobs.narration import ending_of
from rayfleet.cli.jobs.screen import Screen
from rayfleet.cli.jobs.stopping import PATIENCE_SECONDS, await_end, delete_job, read_job, stop_in_ray


def stop(given: argparse.Namespace) -> int:
    """The exit code. Raises CommandError if the job cannot be stopped."""
    screen = Screen(given.job)
    with api_server(given.kubeconfig, given.context) as server:
        job = read_job(server, given.namespace or server.namespace, given.job)
        if given.delete:
            delete_job(server, job)
            screen.say("is being deleted; Ray is asked to stop it first")
            return 0
        screen.say(stop_in_ray(server, job))
        if given.no_wait:
            return 0
        status = await_end(server, job)
        if status is None:
            screen.say(f"has not ended within {PATIENCE_SECONDS:.0f} s: look with `rayfleet explain`")
            return 1
        screen.say(ending_of(status, None).words)
    return 0
