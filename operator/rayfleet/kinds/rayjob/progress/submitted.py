"""The end of an attempt whose job does not get into Ray."""

from rayfleet.api.rayjob.status import FailedReason, RayJobStatus, Submission, VerdictCategory
from rayfleet.kinds.rayjob.progress.attempts import Ending
from rayfleet.kinds.rayjob.progress.lost_head import answers_since
from rayfleet.kinds.rayjob.snapshot import (
    ClusterFacts,
    Found,
    JobSnapshot,
    JobUnknown,
    SubmitterFacts,
    Unreachable,
)
from rayfleet.kinds.rayjob.verdict import FailureCause, verdict
from rayfleet.kube.objects.timestamps import unix_seconds


def taken(seen: JobSnapshot) -> Ending | None:
    """The end of an attempt whose id another job has on the cluster that the user has selected."""
    recorded, spec, cluster = seen.recorded, seen.spec, seen.cluster
    is_ours = recorded.submission.sent_time is not None or recorded.submission.accepted_time is not None
    is_sent_by_us = spec.submission_mode in {"HTTPMode", "K8sJobMode"} and recorded.attempt is not None
    if is_ours or not is_sent_by_us or not isinstance(seen.answer, Found):
        return None
    if not isinstance(cluster, ClusterFacts) or cluster.owned or spec.job_id != recorded.job_id:
        return None
    message = f"Ray already has another job with the id {spec.job_id}: set another spec.jobId"
    judged = verdict(VerdictCategory.CONFIGURATION, FailureCause.SUBMISSION_REFUSED, message)
    return Ending(FailedReason.SUBMISSION_FAILED, message, judged)


def refused(seen: JobSnapshot, after: RayJobStatus) -> Ending | None:
    """The end of an attempt whose job Ray has refused: the same request would be refused again."""
    if not seen.refused or after.submission.accepted_time is not None:
        return None
    message = f"Ray refuses the job: {seen.refused}"
    judged = verdict(VerdictCategory.CONFIGURATION, FailureCause.SUBMISSION_REFUSED, seen.refused)
    return Ending(FailedReason.SUBMISSION_FAILED, message, judged)


def submitter_ended(seen: JobSnapshot, after: RayJobStatus) -> Ending | None:
    """The end of an attempt whose submitter has finished without submitting; None if it goes on.

    A submitter that has succeeded may have seen the job's end, so there Ray is waited for as long as ever.
    """
    submitter = seen.submitting
    if submitter is None or not submitter.has_finished or after.submission.accepted_time is not None:
        return None
    finished = unix_seconds(after.submitter_finished_time) or seen.now
    answer, settings = seen.answer, seen.settings
    unknown = isinstance(answer, JobUnknown) and answers_since(seen, finished)
    is_tried = isinstance(answer, Unreachable) and seen.now - answer.since >= settings.submitter_silence
    silent = submitter.failed and is_tried and seen.now - finished >= settings.submitter_silence
    return _not_submitted(seen, submitter, after.submission) if unknown or silent else None


def _not_submitted(seen: JobSnapshot, submitter: SubmitterFacts, sent: Submission) -> Ending:
    if submitter.failed:
        reason = FailedReason.SUBMISSION_FAILED
        message = f"The submitter has failed: {submitter.reason}: {submitter.message}".rstrip(": ")
    else:
        reason = FailedReason.APP_FAILED
        message = "The submitter has completed, but Ray does not know the job"
    cluster = seen.cluster
    here = (cluster.uid, cluster.head_epoch) if isinstance(cluster, ClusterFacts) else None
    if sent.sent_time is not None and here != (sent.cluster_uid, sent.head_epoch):
        words = ("another head has taken over since the submitter started", message)
        return Ending(
            reason, message, verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.HEAD_LOST, *words)
        )
    judged = verdict(VerdictCategory.CONFIGURATION, FailureCause.SUBMITTER_FAILED, message)
    return Ending(reason, message, judged)
