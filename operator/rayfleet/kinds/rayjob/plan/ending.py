"""What is done once a job is over for us: it is stopped in Ray if it runs there, and what it held goes."""

from collections.abc import Iterator
from typing import Final

from rayfleet.api.names import Finalizer
from rayfleet.api.rayjob.status import TERMINAL_JOB_STATUSES
from rayfleet.engine.actions import Action
from rayfleet.kinds.rayjob.actions import DeleteCluster, DeleteSelf, DeleteSubmitter, StopJob, SuspendGroups
from rayfleet.kinds.rayjob.manifests.names import job_id
from rayfleet.kinds.rayjob.plan.cleanup import due
from rayfleet.kinds.rayjob.progress.lost_head import answers_since
from rayfleet.kinds.rayjob.snapshot import (
    ClusterFacts,
    Found,
    JobSnapshot,
    JobUnknown,
    Unreachable,
    is_meant,
    is_sidecar,
)
from rayfleet.kube.objects.timestamps import unix_seconds

STOP_AGAIN_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 10.0


def ended_actions(seen: JobSnapshot) -> tuple[tuple[Action, ...], float | None]:
    """What to delete now; and the seconds until more is due."""
    rule, later = due(seen)
    times = [] if later is None else [later]
    if (watched := watched_for(seen)) > 0:
        times.append(min(_again(seen), watched) if may_run_on(seen) else watched)
    actions: list[Action] = [*_submitter(seen)]
    if rule is not None and (wait := _held_for(seen)) > 0:
        return tuple(actions), min([*times, wait])
    cluster, job = seen.cluster, seen.job
    if rule is not None:
        match rule.policy:
            case "DeleteSelf":
                actions.append(DeleteSelf(job.key.name, job.uid, rule.reason))
            case "DeleteCluster" if isinstance(cluster, ClusterFacts):
                actions.append(DeleteCluster(cluster.name, cluster.uid, rule.reason))
            case "DeleteWorkers" if isinstance(cluster, ClusterFacts):
                actions.append(SuspendGroups(cluster.name, cluster.uid, cluster.unsuspended, rule.reason))
    return tuple(actions), min(times, default=None)


def _again(seen: JobSnapshot) -> float:
    """Seconds until a job that may run on is looked at again. What changes at its head wakes it sooner."""
    is_new = seen.now - _over_since(seen) < seen.settings.drain
    return STOP_AGAIN_SECONDS if is_new and isinstance(seen.answer, Found) else LOOK_AGAIN_SECONDS


def _submitter(seen: JobSnapshot) -> Iterator[Action]:
    """A submitter must not submit a job that is over; one that has done so stays for its log."""
    submitter = seen.submitter
    if submitter is None or submitter.deleting or submitter.has_finished:
        return
    if seen.recorded.submission.accepted_time is None and not isinstance(seen.answer, Found):
        yield DeleteSubmitter(submitter.name, submitter.uid, "the job is over before it was submitted")


def stops(seen: JobSnapshot) -> Iterator[Action]:
    """The stop of a job that is over for us while Ray still runs it."""
    cluster, answer = seen.cluster, seen.answer
    runs = isinstance(answer, Found) and answer.details.status not in TERMINAL_JOB_STATUSES
    if runs and may_run_on(seen) and isinstance(cluster, ClusterFacts):
        yield StopJob(cluster.name, cluster.uid, seen.recorded.job_id, "its RayJob is over")


def may_run_on(seen: JobSnapshot) -> bool:
    """Whether Ray may still run the job, or get it, although it is over for us; for some minutes."""
    if watched_for(seen) <= 0:
        return False
    answer, recorded, submitter = seen.answer, seen.recorded, seen.submitting
    if isinstance(answer, Found):
        return answer.details.status not in TERMINAL_JOB_STATUSES
    submission = recorded.submission
    if submission.accepted_time is None and submitter is not None:
        return not submitter.has_finished
    if submission.accepted_time is None and is_sidecar(seen.spec):
        return True
    sent = unix_seconds(submission.accepted_time or submission.sent_time)
    return not (isinstance(answer, JobUnknown) and answers_since(seen, sent))


def watched_for(seen: JobSnapshot) -> float:
    """Seconds for which Ray is still asked about a job that is over for us; 0 if it cannot run there."""
    recorded, cluster, job = seen.recorded, seen.cluster, seen.job
    if not (recorded.has_ended or job.deleting) or Finalizer.ORPHAN in job.finalizers:
        return 0.0
    if recorded.job_status in TERMINAL_JOB_STATUSES or not recorded.job_id:
        return 0.0
    if not isinstance(cluster, ClusterFacts) or cluster.deleting:
        return 0.0
    submission = recorded.submission
    if submission.cluster_uid not in {"", cluster.uid} or not _is_ours(seen, cluster):
        return 0.0
    sent = submission.accepted_time is not None or submission.sent_time is not None
    if not sent and not is_sidecar(seen.spec):
        return 0.0
    return max(_over_since(seen) + seen.settings.status_check_timeout - seen.now, 0.0)


def _is_ours(seen: JobSnapshot, cluster: ClusterFacts) -> bool:
    """Whether the cluster and the job are those of this RayJob, whatever its status says."""
    recorded, spec = seen.recorded, seen.spec
    if not is_meant(seen, cluster):
        return False
    if recorded.attempt is None or cluster.owned:  # KubeRay draws the id.
        return True
    names = (job_id(seen.job, spec, recorded.attempt, reuses_cluster=reuses) for reuses in (False, True))
    return recorded.job_id in {spec.job_id, *names}


def _over_since(seen: JobSnapshot) -> float:
    recorded = seen.recorded
    return unix_seconds(recorded.end_time) if recorded.has_ended else seen.job.deleted or seen.now


def _held_for(seen: JobSnapshot) -> float:
    """Seconds for which the cluster stays although it may go: the job stops, or its log is being read."""
    since = seen.now - unix_seconds(seen.recorded.end_time)
    waits = [0.0]
    if may_run_on(seen) and not isinstance(seen.answer, Unreachable):
        waits.append(seen.settings.drain - since)
    submitter = seen.submitter
    is_followed = seen.recorded.submission.accepted_time is not None
    if submitter is not None and not submitter.has_finished and is_followed:
        waits.append(seen.settings.submitter_logs - since)
    return max(waits)
