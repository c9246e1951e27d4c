"""How an attempt begins and ends, and what its end leads to: counters, retries, the verdict."""

from typing import Final

from msgspec import Struct

from rayfleet.api.rayjob import RayJobSpec
from rayfleet.api.rayjob.status import (
    TERMINAL_JOB_STATUSES,
    FailedReason,
    JobDeploymentStatus,
    RayJobStatus,
    VerdictCategory,
)
from rayfleet.api.rayjob.status import Verdict as RecordedVerdict
from rayfleet.engine.conditions import rfc3339
from rayfleet.kinds.rayjob.manifests.names import cluster_name, job_id
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, is_sidecar, selected_cluster
from rayfleet.kinds.rayjob.verdict import AttemptVerdict, FailureCause

LONGEST_MESSAGE: Final = 1024
_START: Final = 200
_CUT: Final = " [...] "
NEVER_RETRIED: Final = frozenset({FailedReason.DEADLINE_EXCEEDED, FailedReason.STATUS_CHECK_TIMEOUT_EXCEEDED})
_OF_THE_HEAD: Final = frozenset(
    {
        FailureCause.HEAD_OUT_OF_MEMORY,
        FailureCause.HEAD_EVICTED,
        FailureCause.HEAD_LOST,
        FailureCause.JOB_FORGOTTEN,
        FailureCause.DASHBOARD_UNREACHABLE,
    }
)
"""After these nothing speaks for the cluster."""
_OF_AN_ATTEMPT: Final = (
    *("job_id", "job_status", "dashboard_url", "reason", "message", "ray_job_info", "ray_cluster_status"),
    *("submission", "submitter_finished_time", "job_status_check_failure_start_time", "next_attempt_time"),
)
"""Fields that the next attempt starts without."""


FREE_FAILURES: Final = 3
"""Failed attempts after which the next one begins at once, if the spec says so."""
LONGEST_FLOOR: Final = 60.0
"""Seconds. From then on waits double up to this: a job that fails at once must not cause endless writes."""


class Ending(Struct, frozen=True):
    """Why an attempt failed."""

    reason: FailedReason
    message: str
    verdict: AttemptVerdict


def begun(seen: JobSnapshot, spec: RayJobSpec, *, on_the_same_cluster: bool = False) -> RayJobStatus:
    """The status at the beginning of an attempt, before anything has been created for it."""
    recorded, job = seen.recorded, seen.job
    number = (recorded.attempt or 0) + 1
    selected = selected_cluster(spec)
    name = recorded.ray_cluster_name if on_the_same_cluster else selected or cluster_name(job, number)
    bare = recorded.without(*_OF_AN_ATTEMPT, "ray_cluster_name")
    if spec.submission_mode != "InteractiveMode":
        bare |= RayJobStatus(job_id=job_id(job, spec, number, reuses_cluster=on_the_same_cluster))
    return bare | RayJobStatus(
        attempt=number,
        ray_cluster_name=name,
        start_time=rfc3339(seen.now),
        job_deployment_status=JobDeploymentStatus.INITIALIZING,
        failed=recorded.failed or 0,
        succeeded=recorded.succeeded or 0,
    )


def cleared(status: RayJobStatus, state: JobDeploymentStatus) -> RayJobStatus:
    """The status once nothing of the last attempt exists any more."""
    bare = status.without(*_OF_AN_ATTEMPT, "ray_cluster_name", "kept_rules")
    return bare | RayJobStatus(job_deployment_status=state)


def completed(seen: JobSnapshot, after: RayJobStatus) -> RayJobStatus:
    """The status when Ray's job has succeeded, or was stopped by somebody."""
    succeeded = (after.succeeded or 0) + (after.job_status == "SUCCEEDED")
    return after.without("reason", "verdict") | RayJobStatus(
        job_deployment_status=JobDeploymentStatus.COMPLETE,
        end_time=rfc3339(seen.now),
        succeeded=succeeded,
        failed=after.failed or 0,
    )


def failed(seen: JobSnapshot, after: RayJobStatus, ending: Ending) -> RayJobStatus:
    """The status when an attempt has failed: another attempt, or the end of the job."""
    spec, judged = seen.spec, ending.verdict
    is_free = spec.retry_policy is not None and judged.category is VerdictCategory.INFRASTRUCTURE
    after |= RayJobStatus(
        failed=(after.failed or 0) + 1,
        succeeded=after.succeeded or 0,
        infrastructure_failures=((after.infrastructure_failures or 0) + is_free) or None,
        reason=str(ending.reason),
        message=shortened(ending.message),
        verdict=RecordedVerdict(
            category=str(judged.category),
            cause=str(judged.cause),
            evidence=judged.evidence,
            attempt=after.attempt,
            time=rfc3339(seen.now),
        ),
    )
    if _is_retried(seen, after, ending):
        if wait := _backoff(seen, after):
            after |= RayJobStatus(next_attempt_time=rfc3339(seen.now + wait))
        return after | RayJobStatus(job_deployment_status=JobDeploymentStatus.RETRYING)
    return after | RayJobStatus(job_deployment_status=JobDeploymentStatus.FAILED, end_time=rfc3339(seen.now))


def may_reuse(seen: JobSnapshot) -> bool:
    """Whether the next attempt may run on the cluster of the last one, whose head is healthy."""
    spec, cluster, recorded = seen.spec, seen.cluster, seen.recorded
    if spec.retry_policy is None or spec.retry_policy.cluster != "Reuse" or not seen.is_whole:
        return False
    if not isinstance(cluster, ClusterFacts) or is_sidecar(spec):
        return False
    healthy = cluster.owned and not cluster.deleting and cluster.head is not None and cluster.head.active
    blamed = recorded.verdict.cause in _OF_THE_HEAD or cluster.refusal
    sent = recorded.submission.sent_time is not None or recorded.submission.accepted_time is not None
    is_over = recorded.job_status in TERMINAL_JOB_STATUSES or not sent
    return healthy and not blamed and is_over


def shortened(message: str) -> str:
    """A message that fits into the status: its start says what happened, its end why."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[:_START]}{_CUT}{message[_START + len(_CUT) - LONGEST_MESSAGE :]}"


def _is_retried(seen: JobSnapshot, after: RayJobStatus, ending: Ending) -> bool:
    spec, cluster = seen.spec, seen.cluster
    is_selected = bool(selected_cluster(spec)) or (isinstance(cluster, ClusterFacts) and not cluster.owned)
    if is_selected or spec.submission_mode == "InteractiveMode":
        return False
    if ending.reason in NEVER_RETRIED and (
        spec.retry_policy is None or ending.reason is FailedReason.DEADLINE_EXCEEDED
    ):
        return False
    failures, free = after.failed or 0, after.infrastructure_failures or 0
    if spec.retry_policy is None:
        return failures <= spec.backoff_limit
    match ending.verdict.category:
        case VerdictCategory.CONFIGURATION:
            return False
        case VerdictCategory.INFRASTRUCTURE:
            return free <= spec.retry_policy.infrastructure_limit
        case VerdictCategory.APPLICATION:
            return failures - free <= spec.backoff_limit


def _backoff(seen: JobSnapshot, after: RayJobStatus) -> float:
    """Seconds until the next attempt; without a policy 0 at first, as the reference does."""
    policy, failures = seen.spec.retry_policy, after.failed or 1
    least = min(2.0 ** min(failures, 20), LONGEST_FLOOR) if failures > FREE_FAILURES else 0.0
    if policy is None:
        return least
    doubled: float = policy.backoff_seconds * 2 ** min(failures - 1, 20)
    return max(min(doubled, policy.max_backoff_seconds), least)
