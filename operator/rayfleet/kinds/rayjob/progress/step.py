"""The state machine of a job: one state, one function.

A decision is recorded before anything is done because of it. When the facts end an attempt, this pass only
writes the new state with its cause; the next pass finds that state and acts: it deletes, creates, submits. So
a crash at any instant finds either the facts that lead to the same decision again, or the decision. Only then
may the facts go: a cluster that was deleted can no longer say why.

    "" --------> Initializing --> (Waiting) --> Running --> Complete
    |  suspend        |   |                      |   |---> Failed
    v                 |   `-------> Retrying <---'   |
    Suspended <-- Suspending <-----------------------'

`Retrying` and `Suspending` last until nothing of the attempt exists any more, by the API server's word. A job
that is not in Ray yet goes from `Running` back to `Initializing` when its cluster's head goes.
"""

from collections.abc import Callable, Mapping
from typing import Final

from rayfleet.api.rayjob.status import JobDeploymentStatus, JobStatus, RayJobStatus
from rayfleet.kinds.rayjob.progress.attempts import begun, cleared, may_reuse
from rayfleet.kinds.rayjob.progress.running import running
from rayfleet.kinds.rayjob.progress.starting import initializing, invalid, new, waiting
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, NoCluster
from rayfleet.kube.objects.timestamps import unix_seconds


def step(seen: JobSnapshot) -> RayJobStatus:
    """The next status of a job, except for conditions. The same facts lead to it again."""
    if seen.job.deleting or seen.other_operator is not None:
        return seen.recorded
    return _STATES.get(state_of(seen), _stays)(seen)


def state_of(seen: JobSnapshot) -> str:
    """The recorded state. A text that is no state counts as that of a job whose cluster may exist."""
    recorded = seen.recorded
    state, has_cluster = recorded.job_deployment_status, bool(recorded.ray_cluster_name)
    if state in _WITH_A_CLUSTER and has_cluster:
        return state
    if state in _WITHOUT_ONE:
        return state
    return JobDeploymentStatus.INITIALIZING if has_cluster else JobDeploymentStatus.NEW


_WITH_A_CLUSTER: Final = frozenset(
    {JobDeploymentStatus.INITIALIZING, JobDeploymentStatus.WAITING, JobDeploymentStatus.RUNNING}
)
_WITHOUT_ONE: Final = frozenset(JobDeploymentStatus) - _WITH_A_CLUSTER - {JobDeploymentStatus.NEW}
"""States in which the cluster may be gone."""


def _suspended(seen: JobSnapshot) -> RayJobStatus:
    return seen.recorded if seen.spec.suspend or not seen.is_whole else new(seen)


def _validation_failed(seen: JobSnapshot) -> RayJobStatus:
    """A job that never began starts once its spec is mended; until then the message is up to date.

    One that had a cluster, or had ended, was put into this state by another operator, and goes on from there.
    """
    recorded = seen.recorded
    if seen.violations:
        return new(seen)
    state = JobDeploymentStatus.NEW
    if recorded.end_time is not None:
        has_succeeded = recorded.job_status in {JobStatus.SUCCEEDED, JobStatus.STOPPED}
        state = JobDeploymentStatus.COMPLETE if has_succeeded else JobDeploymentStatus.FAILED
    elif recorded.ray_cluster_name:
        state = JobDeploymentStatus.INITIALIZING
    return recorded.without("reason", "message") | RayJobStatus(job_deployment_status=state)


def _suspending(seen: JobSnapshot) -> RayJobStatus:
    return cleared(seen.recorded, JobDeploymentStatus.SUSPENDED) if nothing_left(seen) else seen.recorded


def _retrying(seen: JobSnapshot) -> RayJobStatus:
    recorded, spec = seen.recorded, seen.spec
    if spec.suspend:
        return recorded | RayJobStatus(job_deployment_status=JobDeploymentStatus.SUSPENDING)
    if seen.now < unix_seconds(recorded.next_attempt_time):
        return recorded
    if may_reuse(seen):
        return begun(seen, spec, on_the_same_cluster=True) if seen.submitter is None else recorded
    if not nothing_left(seen):
        return recorded
    if not seen.is_whole:
        return invalid(seen, cleared(recorded, JobDeploymentStatus.NEW))
    return begun(seen, spec)


def nothing_left(seen: JobSnapshot) -> bool:
    """Whether nothing of the attempt exists any more; a cluster that was only selected may stay."""
    cluster = seen.cluster
    gone = cluster is None or (isinstance(cluster, NoCluster) and cluster.confirmed)
    stays = isinstance(cluster, ClusterFacts) and not cluster.owned
    return (gone or stays) and seen.submitter is None


def _stays(seen: JobSnapshot) -> RayJobStatus:
    """A job that has ended stays so."""
    return seen.recorded


_STATES: Final[Mapping[str, Callable[[JobSnapshot], RayJobStatus]]] = {
    JobDeploymentStatus.NEW: new,
    JobDeploymentStatus.VALIDATION_FAILED: _validation_failed,
    JobDeploymentStatus.INITIALIZING: initializing,
    JobDeploymentStatus.WAITING: waiting,
    JobDeploymentStatus.RUNNING: running,
    JobDeploymentStatus.SUSPENDING: _suspending,
    JobDeploymentStatus.SUSPENDED: _suspended,
    JobDeploymentStatus.RETRYING: _retrying,
}
