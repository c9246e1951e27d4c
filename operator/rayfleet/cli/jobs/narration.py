"""What is told about a job while somebody waits for it: each change once, and now and then what it waits for.

Pure: the status, the time and what was told before decide.
"""

from typing import Final

from msgspec import Struct

from rayfleet.api.rayjob.status import JobConditionType, JobDeploymentStatus, RayJobStatus
from rayfleet.autoscaling.words import printable
from rayfleet.cli.durations import duration
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.ray.dashboard.bounds import LONGEST_ID

PATIENCE: Final = 30.0
"""Seconds after which a job that nobody has taken up is worth a word."""
LEAST_BETWEEN: Final = 5.0
"""Seconds between two lines that differ in their words only."""
FIRST_REMINDER, LONGEST_REMINDER = 60.0, 600.0
"""Seconds until the same is said again; each time doubles them."""
LONGEST: Final = 600
"""Characters of a line."""
_NEW: Final = "New"


class Stage(Struct, frozen=True):
    """Where a job stands."""

    label: str
    """In a word; a change is always told."""
    words: str = ""
    """What it waits for."""
    is_waiting: bool = True
    """Whether somebody who waits wants to be reminded."""


def stage_of(status: RayJobStatus, waited: float) -> Stage:
    """The stage of a job for which somebody has waited so many seconds."""
    state = status.job_deployment_status
    if not state:
        late = "nobody has taken it up: does the operator run, and does it watch this namespace?"
        return Stage(_NEW, late if waited >= PATIENCE else "")
    attempt = f", attempt {status.attempt}" if (status.attempt or 1) > 1 else ""
    label = f"{state}{attempt}"
    if is_in_ray(status) and status.job_status_check_failure_start_time is None:
        return Stage(f"{label}: Ray says {status.job_status or 'nothing yet'}", is_waiting=False)
    progress = status.condition(JobConditionType.PROGRESSING)
    if progress is not None and progress.reason == state:
        return Stage(label, progress.message)
    return Stage(label, status.message if state == JobDeploymentStatus.VALIDATION_FAILED else "")


def is_in_ray(status: RayJobStatus) -> bool:
    """Whether Ray has the job of this attempt, so that there may be a log."""
    runs = status.job_deployment_status == JobDeploymentStatus.RUNNING or status.has_ended
    is_known = status.submission.accepted_time is not None or bool(status.job_status)
    return runs and is_known and _is_id(status.job_id)


def _is_id(text: str) -> bool:
    """Whether a job can have this id: what others write into a status must not lead to another path."""
    return (
        0 < len(text) <= LONGEST_ID
        and text.isascii()
        and text.isprintable()
        and text.strip(".") != ""
        and "/" not in text
    )


class Narrator:
    """Remembers what was told, at first that the job was created."""

    def __init__(self, now: float) -> None:
        self._told = Stage(_NEW)
        self._since = self._at = now
        self._wait = FIRST_REMINDER

    def line(self, stage: Stage, now: float) -> str | None:
        """The line to show now; None if there is nothing new."""
        if stage.label != self._told.label:
            self._since, self._wait = now, FIRST_REMINDER
            return self._tell(stage, now, "")
        if stage.words != self._told.words and now - self._at >= LEAST_BETWEEN:
            return self._tell(stage, now, "")
        if stage.is_waiting and stage.words and now - self._at >= self._wait:
            self._wait = min(self._wait * 2, LONGEST_REMINDER)
            return self._tell(stage, now, f" for {duration(now - self._since)}")
        return None

    def _tell(self, stage: Stage, now: float, for_long: str) -> str:
        self._told, self._at = stage, now
        words = " ".join(stage.words.split())
        line = printable(f"{stage.label}{for_long}{f': {words}' if words else ''}")
        return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


class LastWord(Struct, frozen=True):
    """How following a job ends."""

    words: str
    code: int
    """The exit code of the command."""


def ending_of(status: RayJobStatus, driver_exit_code: int | None) -> LastWord:
    """The last line and the exit code for a job that has ended, or never begins."""
    code = _shell_code(driver_exit_code)
    lasted = _lasted(status)
    if status.job_deployment_status == JobDeploymentStatus.COMPLETE:
        if status.job_status == "SUCCEEDED":
            return LastWord(f"succeeded{lasted}", 0)
        return LastWord(f"stopped{lasted}: Ray says {status.job_status}", code)
    if status.job_deployment_status == JobDeploymentStatus.VALIDATION_FAILED:
        return LastWord(f"is not valid: {status.message}", 1)
    return LastWord(f"failed{lasted}: {verdict_words(status)}", code)


def verdict_words(status: RayJobStatus) -> str:
    """Why the last attempt failed: whose fault, the cause, the evidence."""
    judged = status.verdict
    if not judged.cause:
        return ": ".join(filter(None, (status.reason, status.message)))
    evidence = "; ".join(judged.evidence)
    return f"{judged.cause} ({judged.category}){f': {evidence}' if evidence else ''}"


def _lasted(status: RayJobStatus) -> str:
    start, end = unix_seconds(status.start_time), unix_seconds(status.end_time)
    return f" after {duration(end - start)}" if start and end else ""


def _shell_code(code: int | None) -> int:
    """The driver's exit code as a shell has it, 128 and more for a signal; 1 if it tells of no failure."""
    if code is None or not code:
        return 1
    return 128 - code if -64 < code < 0 else code if 0 < code < 256 else 1  # noqa: PLR2004 - as the shell has them
