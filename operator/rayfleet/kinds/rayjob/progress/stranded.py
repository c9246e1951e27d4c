"""A job that cannot start, because its spec is no longer valid, and a restart has forgotten what it was.

What the status has kept is enough to end a job that runs. One that Ray does not have yet lacks its command:
it waits for a while for its spec to be mended, gives its cluster back, and begins again once that is done.
"""

from rayfleet.api.rayjob.status import FailedReason, JobConditionType, JobDeploymentStatus, RayJobStatus
from rayfleet.kinds.rayjob.snapshot import JobSnapshot, is_sidecar
from rayfleet.kube.objects.timestamps import unix_seconds


def is_stranded(seen: JobSnapshot, after: RayJobStatus) -> bool:
    """Whether the spec of a job that waits for it has not been mended in time."""
    left = mending_left(seen, after)
    return left is not None and left <= 0


def mending_left(seen: JobSnapshot, after: RayJobStatus) -> float | None:
    """Seconds that are left to mend the spec; None if it is not waited for."""
    has_submitter = seen.submitter is not None or is_sidecar(seen.spec)
    if seen.is_whole or has_submitter or after.submission.accepted_time is not None:
        return None
    valid = seen.recorded.condition(JobConditionType.VALID)
    if valid is None or valid.status != "False":
        return seen.settings.mending
    return unix_seconds(valid.last_transition_time) + seen.settings.mending - seen.now


def given_up(seen: JobSnapshot, status: RayJobStatus) -> RayJobStatus:
    """The status of a job that gives its cluster back, and waits for a valid spec; no attempt has failed."""
    return status | RayJobStatus(
        job_deployment_status=JobDeploymentStatus.RETRYING,
        reason=str(FailedReason.VALIDATION_FAILED),
        message="".join(map(str, seen.violations[:1])),
    )
