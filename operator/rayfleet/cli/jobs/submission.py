"""Creates a RayJob, and follows it as its user wishes."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from rayfleet.api.rayjob.status import recorded
from rayfleet.cli.api_server import ApiServer, api_server
from rayfleet.cli.errors import CommandError
from rayfleet.cli.jobs.follower import Follower
from rayfleet.cli.jobs.narration import is_in_ray
from rayfleet.cli.jobs.package import Package
from rayfleet.cli.jobs.screen import Screen
from rayfleet.cli.jobs.sending import PackageSender, UnsendableError
from rayfleet.cli.jobs.stopping import delete_job, read_job, stop_in_ray
from rayfleet.cli.paths import paths_of
from rayfleet.cli.unread import unanswered
from rayfleet.errors import NO_ANSWER, ApiFailure
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.roots import Root, root_from_object

INTERRUPTED = 130
_TAKEN = "AlreadyExists"


def submit_and_follow(
    given: argparse.Namespace, job: Mapping[str, Any], package: Package | None, screen: Screen
) -> int:
    """Create the job; return its exit code if it is followed. Raises CommandError."""
    with api_server(given.kubeconfig, given.context) as server:
        namespace = given.namespace or server.namespace
        made = _create(server, namespace, job)
        screen.name = made.key.name
        screen.say(f"RayJob {namespace}/{made.key.name} created")
        followed = _OwnJob(server, made, screen, package)
        return _guarded(followed, followed.until_submitted if given.no_follow else followed.until_end)


def _guarded(followed: "_OwnJob", wait: Callable[[], int]) -> int:
    """The exit code of `wait`, or that of an interrupted program."""
    interrupted = False
    while True:
        try:
            code = wait()
        except KeyboardInterrupt:
            # Who has asked for a stop, and cannot wait for it, has had enough.
            if interrupted or not followed.may_go_on():
                return INTERRUPTED
            interrupted = followed.is_stopped
        except UnsendableError:
            followed.give_up()
            raise
        else:
            return INTERRUPTED if interrupted else code


def _create(server: ApiServer, namespace: str, job: Mapping[str, Any]) -> Root:
    body = {**job, "metadata": {**job["metadata"], "namespace": namespace}}
    answer = server.create(paths_of(RAYJOBS, namespace), body)
    if not isinstance(answer, ApiFailure):
        return root_from_object(answer, RAYJOBS.kind)
    if answer.status == NO_ANSWER and not answer.message.startswith("HTTP "):
        raise CommandError(
            f"the API server {server.configuration.host} did not answer ({answer.message}): the RayJob may"
            " have been created, so look with `rayfleet jobs` before you try again."
        )
    if answer.reason == _TAKEN:
        raise CommandError(f"{answer.message}: choose another --name, or leave it out.")
    general = unanswered(answer, server, RAYJOBS)
    raise CommandError(general or f"the RayJob cannot be created: {answer.message}")


class _OwnJob:
    """A job that this command has created."""

    def __init__(self, server: ApiServer, job: Root, screen: Screen, package: Package | None) -> None:
        self._server = server
        self._job = job
        self._screen = screen
        self._sends = package is not None
        self.is_stopped = False
        """Whether its user has stopped it."""
        sender = None if package is None else PackageSender(server, package, screen)
        self._follower = Follower(server, job, screen, sender)

    def until_submitted(self) -> int:
        """Leave the job to the operator, as soon as nothing of this machine is needed any more."""
        ending = self._follower.until_submitted() if self._sends else None
        if ending is not None:
            self._screen.say(ending.words)
            return ending.code
        self._screen.log([f"rayjob/{self._job.key.name}"])
        return 0

    def until_end(self) -> int:
        """Follow it until it ends."""
        ending = self._follower.until_end()
        self._screen.say(ending.words)
        return ending.code

    def may_go_on(self) -> bool:
        """After Ctrl-C: whether to go on following, having stopped the job or not."""
        match self._screen.ask_what_to_do():
            case "y":
                return self._stop()
            case "n":
                return True
            case _:
                name = self._job.key.name
                self._screen.say(
                    f"goes on without you: see `rayfleet logs {name} -f`, `rayfleet stop {name}`"
                )
                return False

    def give_up(self) -> None:
        """Delete a job to which what it needs cannot be sent."""
        delete_job(self._server, self._job)
        self._screen.say("deleted again, as it cannot run")

    def _stop(self) -> bool:
        """Whether an end is still to come."""
        job = read_job(self._server, self._job.key.namespace, self._job.key.name)
        status = recorded(job.status)
        if status.has_ended or is_in_ray(status):
            self._screen.say(stop_in_ray(self._server, job))
            self.is_stopped = True
            return True
        delete_job(self._server, job)
        self._screen.say("deleted, before it has begun to run")
        return False
