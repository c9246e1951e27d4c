"""What a job waited for that did not start in time, and whose fault that was."""

from typing import Final

from rayfleet.api.raycluster.status import ConditionType, HeldReason
from rayfleet.api.rayjob.status import JobDeploymentStatus, VerdictCategory
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot
from rayfleet.kinds.rayjob.verdict import AttemptVerdict, FailureCause, verdict

_OF_THE_MANIFEST: Final = frozenset(
    {
        *(HeldReason.QUOTA_EXCEEDED, HeldReason.LIMIT_RANGE, HeldReason.TEMPLATE_REFUSED),
        *("ErrImagePull", "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName"),
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"),
    }
)
"""Why pods do not come or do not start, where only another manifest, or another quota, helps."""


def not_started(seen: JobSnapshot) -> AttemptVerdict:
    """The verdict on an attempt that has waited for too long."""
    cluster, waits = seen.cluster, FailureCause.NOT_STARTED_IN_TIME
    if seen.recorded.job_deployment_status != JobDeploymentStatus.INITIALIZING:
        return verdict(VerdictCategory.APPLICATION, waits, "the user has not submitted the job")
    if not isinstance(cluster, ClusterFacts):
        return verdict(VerdictCategory.INFRASTRUCTURE, waits, "the cluster does not exist")
    reasons, words = set[str](), []
    for group in cluster.status.worker_groups:
        if group.reason:
            reasons.add(group.reason)
            words.append(f"group {group.group_name}: {group.reason}: {group.message}")
    for kind in (ConditionType.HEAD_POD_READY, ConditionType.READY):
        unmet = cluster.status.condition(kind)
        if unmet is not None and not unmet.holds:
            reasons.add(unmet.reason)
            words.append(f"{unmet.type}: {unmet.reason}: {unmet.message}")
    of_manifest = not reasons.isdisjoint(_OF_THE_MANIFEST)
    category = VerdictCategory.CONFIGURATION if of_manifest else VerdictCategory.INFRASTRUCTURE
    return verdict(category, waits, *words)
