"""When the time of an attempt, or of one of its waits, is over."""

from collections.abc import Iterator
from typing import Final

from rayfleet.api.rayjob.status import FailedReason, JobDeploymentStatus, RayJobStatus, VerdictCategory
from rayfleet.kinds.rayjob.progress.attempts import Ending
from rayfleet.kinds.rayjob.progress.stranded import mending_left
from rayfleet.kinds.rayjob.progress.waited_for import not_started
from rayfleet.kinds.rayjob.snapshot import JobSnapshot, JobUnknown, Unreachable
from rayfleet.kinds.rayjob.verdict import FailureCause, verdict
from rayfleet.kube.objects.timestamps import unix_seconds

REPEAT_SECONDS: Final = 5.0
"""Until a submission that came to nothing is repeated: the same answer of Ray wakes nobody."""
LOOK_AGAIN_SECONDS: Final = 1.0


def past_deadline(seen: JobSnapshot, *, is_running: bool) -> Ending | None:
    """The end of an attempt whose time is over; None if it is not."""
    spec, since = seen.spec, seen.recorded.start_time
    if since is None:
        return None
    limit = spec.active_deadline_seconds
    if limit is not None and _is_over(seen, since, limit):
        message = f"The job has run since {since}, longer than activeDeadlineSeconds allows ({limit})"
        judged = (
            verdict(VerdictCategory.APPLICATION, FailureCause.DEADLINE, message)
            if is_running
            else not_started(seen)
        )
        return Ending(FailedReason.DEADLINE_EXCEEDED, message, judged)
    limit = spec.pre_running_deadline_seconds
    if is_running or limit is None or not _is_over(seen, since, limit):
        return None
    message = f"The job has waited since {since}, longer than preRunningDeadlineSeconds allows ({limit})"
    return Ending(FailedReason.PRE_RUNNING_DEADLINE_EXCEEDED, message, not_started(seen))


def past_patience(seen: JobSnapshot, after: RayJobStatus) -> Ending | None:
    """The end of an attempt whose dashboard could not be asked for too long; None if it goes on.

    An operator that was away has not tried meanwhile, so this process must have tried for a while too.
    """
    answer, since = seen.answer, after.job_status_check_failure_start_time
    if not isinstance(answer, Unreachable) or since is None:
        return None
    settings = seen.settings
    tried = seen.now - answer.since >= settings.least_tries
    if not tried or not _is_over(seen, since, settings.status_check_timeout):
        return None
    message = f"Ray's dashboard could not be asked since {since}: {answer.why}"
    judged = verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.DASHBOARD_UNREACHABLE, answer.why)
    return Ending(FailedReason.STATUS_CHECK_TIMEOUT_EXCEEDED, message, judged)


def waits(seen: JobSnapshot, after: RayJobStatus) -> list[float]:
    """Seconds until each moment at which time alone changes something for an attempt that is under way."""
    ends = [*_limits(seen, after), *_patience(seen, after)]
    if after.job_deployment_status == JobDeploymentStatus.RETRYING and after.next_attempt_time is not None:
        ends.append(unix_seconds(after.next_attempt_time))
    found = [end - seen.now for end in ends if end > seen.now]
    mending = mending_left(seen, after) if after.job_deployment_status in _UNDER_WAY else None
    if mending is not None:
        found.append(mending)
    return [wait for wait in found if wait > 0]


_UNDER_WAY: Final = frozenset(
    {JobDeploymentStatus.INITIALIZING, JobDeploymentStatus.WAITING, JobDeploymentStatus.RUNNING}
)


def _limits(seen: JobSnapshot, after: RayJobStatus) -> Iterator[float]:
    if after.start_time is None or after.job_deployment_status not in _UNDER_WAY:
        return
    for limit in (seen.spec.active_deadline_seconds, seen.spec.pre_running_deadline_seconds):
        if limit is not None:
            yield unix_seconds(after.start_time) + limit


def _patience(seen: JobSnapshot, after: RayJobStatus) -> Iterator[float]:
    """When a running job is judged by what is not heard of it.

    The same answer again wakes nobody, so what depends on when it was asked for is looked at again soon.
    """
    answer, settings = seen.answer, seen.settings
    if after.job_deployment_status != JobDeploymentStatus.RUNNING:
        return
    if seen.heard_of_head is None:
        since = seen.now if seen.silent_since is None else seen.silent_since
        yield from (since + settings.headless, since + settings.least_tries)
    if isinstance(answer, Unreachable) and after.job_status_check_failure_start_time is not None:
        begun = unix_seconds(after.job_status_check_failure_start_time)
        yield max(begun + settings.status_check_timeout, answer.since + settings.least_tries)
    finished = after.submitter_finished_time
    if finished is not None and isinstance(answer, Unreachable):
        yield max(unix_seconds(finished), answer.since) + settings.submitter_silence
    is_sent = after.submission.sent_time is not None and after.submission.accepted_time is None
    if isinstance(answer, JobUnknown) and is_sent and seen.spec.submission_mode == "HTTPMode":
        yield seen.now + REPEAT_SECONDS
    doubtful = after.submission.accepted_time or finished
    if isinstance(answer, JobUnknown) and doubtful is not None:
        yield max(unix_seconds(doubtful) + settings.answering, seen.now + LOOK_AGAIN_SECONDS)


def _is_over(seen: JobSnapshot, since: str, limit: float) -> bool:
    return seen.now >= unix_seconds(since) + limit
