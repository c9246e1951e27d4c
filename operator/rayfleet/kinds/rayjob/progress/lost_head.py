"""The end of an attempt whose head is lost.

Before Ray has the job, nothing is lost, and the next head gets it; unless the cluster gets no other head.
"""

from typing import Final

from rayfleet.api.names import Annotation
from rayfleet.api.raycluster.status import ConditionType
from rayfleet.api.rayjob.status import FailedReason, RayJobStatus, VerdictCategory
from rayfleet.kinds.raycluster.manifests.metadata import is_on
from rayfleet.kinds.rayjob.progress.attempts import Ending
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, JobUnknown, NoCluster, is_sidecar
from rayfleet.kinds.rayjob.verdict import AttemptVerdict, FailureCause, of_lost_head, verdict
from rayfleet.kube.objects.timestamps import unix_seconds

_FORGOTTEN: Final = "Ray no longer knows the job: its head has lost its state"


def lost(seen: JobSnapshot, after: RayJobStatus) -> Ending | None:
    """The end of an attempt that its head has taken with it; None if it goes on."""
    if after.submission.accepted_time is None:
        return lost_for_good(seen)
    return _ending(_of_cluster(seen, after))


def lost_for_good(seen: JobSnapshot) -> Ending | None:
    """The end of an attempt whose cluster had a head and gets no other one; None if it goes on."""
    cluster = seen.cluster
    if not isinstance(cluster, ClusterFacts) or not is_on(
        cluster.root.annotations.get(Annotation.NO_HEAD_RESTART, "")
    ):
        return None
    head, ran = cluster.head, cluster.status.head.pod_ip or seen.recorded.ray_cluster_status.head.pod_ip
    if head is not None and head.active:
        return None
    has_run = cluster.status.holds(ConditionType.PROVISIONED) or (
        is_sidecar(seen.spec) and (ran if head is None else head.pod_ip)
    )
    return _ending(_of_loss(seen)) if has_run else None


def _ending(judged: AttemptVerdict | None) -> Ending | None:
    if judged is None:
        return None
    return Ending(FailedReason.APP_FAILED, f"Ray's head was lost: {'; '.join(judged.evidence)}", judged)


def _of_cluster(seen: JobSnapshot, after: RayJobStatus) -> AttemptVerdict | None:
    submission, cluster = after.submission, seen.cluster
    if cluster is None:
        return None
    if isinstance(cluster, NoCluster):
        gone = verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.HEAD_LOST, "the cluster is gone")
        return gone if cluster.confirmed else None
    if cluster.uid != submission.cluster_uid or cluster.deleting:
        return verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.HEAD_LOST, "the cluster was deleted")
    return _of_head(seen, cluster, submission.head_epoch or 0, unix_seconds(submission.accepted_time))


def _of_head(seen: JobSnapshot, cluster: ClusterFacts, epoch: int, accepted: float) -> AttemptVerdict | None:
    """The verdict if the head of this epoch has lost the job."""
    head, settings = cluster.head, seen.settings
    if head is None:
        is_seen = any(loss.is_head and loss.head_epoch == epoch for loss in seen.losses)
        is_lost = not cluster.keeps_state and (is_seen or seen.silence >= settings.headless)
        return _of_loss(seen) if is_lost else None
    if cluster.head_epoch < epoch:  # A cache is behind.
        return None
    if (cluster.head_epoch == epoch and head.active) or cluster.keeps_state:
        forgotten = isinstance(seen.answer, JobUnknown) and answers_since(seen, accepted)
        return (
            verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.JOB_FORGOTTEN, _FORGOTTEN)
            if forgotten
            else None
        )
    return _of_loss(seen)


def _of_loss(seen: JobSnapshot) -> AttemptVerdict:
    losses = [loss for loss in seen.losses if loss.is_head]
    return of_lost_head(losses[-1] if losses else None)


def answers_since(seen: JobSnapshot, moment: float) -> bool:
    """Whether Ray's last answer is to a question that was asked after a recorded moment."""
    heard = seen.heard_of_head
    return heard is not None and heard.asked >= moment + seen.settings.answering
