"""A job that waits for its cluster, or for its user."""

from rayfleet.api.raycluster.status import STATE_READY, ConditionType
from rayfleet.api.rayjob.spec import RayJobSpec, StartPolicy
from rayfleet.api.rayjob.status import FailedReason, JobDeploymentStatus, RayJobStatus, VerdictCategory
from rayfleet.kinds.rayjob.progress.attempts import Ending, begun, failed
from rayfleet.kinds.rayjob.progress.cluster_status import shown
from rayfleet.kinds.rayjob.progress.deadlines import past_deadline
from rayfleet.kinds.rayjob.progress.lost_head import lost_for_good
from rayfleet.kinds.rayjob.progress.stranded import given_up, is_stranded
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, is_meant, is_sidecar
from rayfleet.kinds.rayjob.verdict import FailureCause, verdict


def new(seen: JobSnapshot) -> RayJobStatus:
    """The next status of a job that has not begun, or begins again."""
    recorded = seen.recorded
    if seen.violations:
        return invalid(seen, recorded)
    if seen.spec.suspend:
        return recorded.without("reason", "message") | RayJobStatus(
            job_deployment_status=JobDeploymentStatus.SUSPENDED,
            failed=recorded.failed or 0,
            succeeded=recorded.succeeded or 0,
        )
    return begun(seen, seen.spec)


def invalid(seen: JobSnapshot, status: RayJobStatus) -> RayJobStatus:
    """The status of a job that waits for its spec to be mended, and has no cluster."""
    return status | RayJobStatus(
        job_deployment_status=JobDeploymentStatus.VALIDATION_FAILED,
        reason=str(FailedReason.VALIDATION_FAILED),
        message="".join(map(str, seen.violations[:1])),
    )


def initializing(seen: JobSnapshot) -> RayJobStatus:
    """The next status of a job whose cluster is coming."""
    recorded, cluster = seen.recorded, seen.cluster
    if (changed := _cut_short(seen, lost_for_good(seen) or _refused(seen))) is not None:
        return changed
    if not isinstance(cluster, ClusterFacts):
        return recorded
    after = recorded | RayJobStatus(ray_cluster_status=shown(cluster))
    if not _may_start(seen, cluster):
        return after
    after |= RayJobStatus(dashboard_url=cluster.dashboard)
    if seen.spec.submission_mode == "InteractiveMode":
        return _with_users_id(seen, after)
    return after | RayJobStatus(job_deployment_status=JobDeploymentStatus.RUNNING)


def waiting(seen: JobSnapshot) -> RayJobStatus:
    """The next status of a job that its user will submit."""
    changed = _cut_short(seen, lost_for_good(seen))
    return _with_users_id(seen, seen.recorded) if changed is None else changed


def _cut_short(seen: JobSnapshot, ending: Ending | None) -> RayJobStatus | None:
    """The next status of a job that goes on no longer; None if it does."""
    recorded = seen.recorded
    if seen.spec.suspend:
        return recorded | RayJobStatus(job_deployment_status=JobDeploymentStatus.SUSPENDING)
    if is_stranded(seen, recorded):
        return given_up(seen, recorded)
    ending = past_deadline(seen, is_running=False) or ending
    return None if ending is None else failed(seen, recorded, ending)


def _with_users_id(seen: JobSnapshot, status: RayJobStatus) -> RayJobStatus:
    if not seen.spec.job_id:
        return status | RayJobStatus(job_deployment_status=JobDeploymentStatus.WAITING)
    return status | RayJobStatus(job_deployment_status=JobDeploymentStatus.RUNNING, job_id=seen.spec.job_id)


def start_policy(spec: RayJobSpec | None, *, scales: bool) -> StartPolicy:
    """What must be ready before the job is submitted; `scales`: the cluster is scaled with its queue."""
    policy = spec.start_policy if spec is not None else None
    return policy or ("Head" if scales else "AllWorkers")


def _may_start(seen: JobSnapshot, cluster: ClusterFacts) -> bool:
    """Whether the cluster is ready for the job, and it is known what to submit."""
    if not seen.is_whole and not is_sidecar(seen.spec):
        return False
    if not cluster.dashboard or cluster.deleting or cluster.head is None or not cluster.head.active:
        return False
    if start_policy(seen.spec, scales=cluster.scales) == "Head":
        return cluster.status.holds(ConditionType.HEAD_POD_READY)
    return cluster.status.state == STATE_READY


def _refused(seen: JobSnapshot) -> Ending | None:
    """The end of an attempt whose cluster can never be made: its spec does not change any more."""
    cluster = seen.cluster
    if not isinstance(cluster, ClusterFacts):
        return None
    refusal = cluster.refusal if cluster.owned else ""
    if not is_meant(seen, cluster):
        refusal = f"RayCluster {cluster.name} exists and is not this RayJob's"
    if not refusal:
        return None
    message = f"The cluster cannot be made: {refusal}"
    return Ending(
        FailedReason.VALIDATION_FAILED,
        message,
        verdict(VerdictCategory.CONFIGURATION, FailureCause.SPEC_REFUSED, refusal),
    )
