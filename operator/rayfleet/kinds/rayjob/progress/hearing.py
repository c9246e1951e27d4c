"""What Ray and the submitter say of a job, taken into its status."""

from rayfleet.api.rayjob.status import RayJobInfo, RayJobStatus, Submission
from rayfleet.engine.conditions import rfc3339
from rayfleet.kinds.rayjob.progress.attempts import shortened
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, Found, JobSnapshot, Unreachable
from rayfleet.ray.dashboard import JobDetails

MILLISECONDS = 1000


def heard(seen: JobSnapshot, status: RayJobStatus) -> RayJobStatus:
    """`status` with what Ray's last answer and the submitter say."""
    answer, submitter = seen.answer, seen.submitting
    if submitter is not None and submitter.has_finished and status.submitter_finished_time is None:
        status |= RayJobStatus(submitter_finished_time=rfc3339(seen.now))
    if isinstance(answer, Unreachable):
        since = status.job_status_check_failure_start_time or rfc3339(answer.since)
        return status | RayJobStatus(job_status_check_failure_start_time=since)
    if answer is not None:
        status = status.without("job_status_check_failure_start_time")
    if not isinstance(answer, Found):
        return status
    job = answer.details
    return status | RayJobStatus(
        job_status=job.status,
        message=shortened(job.message),
        ray_job_info=_info(job),
        submission=_accepted(seen, status.submission),
    )


def _info(job: JobDetails) -> RayJobInfo:
    times = {"start_time": job.start_time, "end_time": job.end_time}
    return RayJobInfo(**{name: rfc3339(at / MILLISECONDS) for name, at in times.items() if at})


def _accepted(seen: JobSnapshot, before: Submission) -> Submission:
    """That Ray has the job, and at which head.

    Another head has it only if it goes on with the state of the last one. If somebody gave the job to another
    head, what the first one had begun is lost all the same.
    """
    cluster = seen.cluster
    if not isinstance(cluster, ClusterFacts) or cluster.head is None:
        return before
    goes_on = cluster.keeps_state and before.cluster_uid == cluster.uid
    if before.accepted_time is not None and not goes_on:
        return before
    return before | Submission(
        cluster_uid=cluster.uid,
        head_epoch=cluster.head_epoch,
        accepted_time=before.accepted_time or rfc3339(seen.now),
    )
