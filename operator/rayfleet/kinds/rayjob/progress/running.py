"""A job that Ray runs, or is about to. Ray's word decides how it ended.

Neither a submitter that dies, nor a log that is cut, nor an operator that was away changes a result: as long
as Ray can be asked, only its answer counts. Ray's own word about the end also comes before a deadline that
has passed meanwhile.
"""

from rayfleet.api.rayjob.status import (
    TERMINAL_JOB_STATUSES,
    FailedReason,
    JobDeploymentStatus,
    RayJobStatus,
)
from rayfleet.kinds.rayjob.progress.attempts import Ending, completed, failed
from rayfleet.kinds.rayjob.progress.cluster_status import shown
from rayfleet.kinds.rayjob.progress.deadlines import past_deadline, past_patience
from rayfleet.kinds.rayjob.progress.hearing import MILLISECONDS, heard
from rayfleet.kinds.rayjob.progress.lost_head import lost
from rayfleet.kinds.rayjob.progress.stranded import given_up, is_stranded
from rayfleet.kinds.rayjob.progress.submitted import refused, submitter_ended, taken
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, Found, JobSnapshot, NoCluster
from rayfleet.kinds.rayjob.verdict import of_failure
from rayfleet.ray.dashboard import JobDetails


def running(seen: JobSnapshot) -> RayJobStatus:
    """The next status of a job whose cluster is there."""
    recorded, spec = seen.recorded, seen.spec
    if (renamed := _users_other_id(seen)) is not None:
        return renamed
    if (ending := taken(seen)) is not None:
        return failed(seen, recorded, ending)
    after = heard(seen, recorded)
    if isinstance(seen.cluster, ClusterFacts):
        after |= RayJobStatus(ray_cluster_status=shown(seen.cluster))
    answer = seen.answer
    if isinstance(answer, Found) and after.job_status in TERMINAL_JOB_STATUSES:
        if after.job_status != "FAILED":
            return completed(seen, after)
        return failed(seen, after, _app_failed(seen, answer.details))
    if spec.suspend:
        return after | RayJobStatus(job_deployment_status=JobDeploymentStatus.SUSPENDING)
    if is_stranded(seen, after):
        return given_up(seen, after)
    ending = (
        lost(seen, after)
        or refused(seen, after)
        or past_deadline(seen, is_running=_has_begun(seen, after))
        or submitter_ended(seen, after)
        or past_patience(seen, after)
    )
    if ending is not None:
        return failed(seen, after, ending)
    return _back(after) if _waits_for_a_head(seen, after) else after


def _users_other_id(seen: JobSnapshot) -> RayJobStatus | None:
    """That the user has said another id before Ray knew the one said first."""
    spec, recorded = seen.spec, seen.recorded
    if spec.submission_mode != "InteractiveMode" or recorded.submission.accepted_time is not None:
        return None
    if not spec.job_id or spec.job_id == recorded.job_id:
        return None
    return recorded | RayJobStatus(job_id=spec.job_id)


def _app_failed(seen: JobSnapshot, job: JobDetails) -> Ending:
    ended = job.end_time / MILLISECONDS if job.end_time else seen.now
    return Ending(FailedReason.APP_FAILED, job.message, of_failure(job, seen.losses, min(ended, seen.now)))


def _has_begun(seen: JobSnapshot, after: RayJobStatus) -> bool:
    """Whether nobody is waited for any more; what the user has yet to submit has not begun to run."""
    is_users = seen.spec.submission_mode == "InteractiveMode"
    return not is_users or after.submission.accepted_time is not None


def _waits_for_a_head(seen: JobSnapshot, after: RayJobStatus) -> bool:
    """Whether the head has gone before Ray had the job: then it is as if it had not come yet."""
    cluster = seen.cluster
    if after.submission.accepted_time is not None or cluster is None:
        return False
    if isinstance(cluster, NoCluster):
        return cluster.confirmed
    return cluster.deleting or cluster.head is None or not cluster.head.active


def _back(after: RayJobStatus) -> RayJobStatus:
    bare = after.without("job_status_check_failure_start_time")
    return bare | RayJobStatus(job_deployment_status=JobDeploymentStatus.INITIALIZING)
