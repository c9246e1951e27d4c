"""The actions of one pass over a job, by its recorded state.

A pass that changes the state does nothing else: see `progress/step.py`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from rayfleet.api.names import Finalizer
from rayfleet.api.rayjob.status import JobDeploymentStatus
from rayfleet.engine.actions import Action
from rayfleet.kinds.rayjob.actions import RemoveJobFinalizer
from rayfleet.kinds.rayjob.plan.cluster import (
    cluster_actions,
    leaving_actions,
    service_actions,
    stray_submitter,
)
from rayfleet.kinds.rayjob.plan.ending import (
    STOP_AGAIN_SECONDS,
    ended_actions,
    may_run_on,
    stops,
    watched_for,
)
from rayfleet.kinds.rayjob.plan.submission import is_uncertain, submission_stages
from rayfleet.kinds.rayjob.progress import step
from rayfleet.kinds.rayjob.progress.deadlines import waits
from rayfleet.kinds.rayjob.progress.step import state_of
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, NoCluster


class JobPoll(Struct, frozen=True):
    """How Ray is asked about the job."""

    active: bool
    """Often, because the job is about to start or to end."""


class JobPlan(Struct, frozen=True):
    """The actions of a pass, and what follows from time alone."""

    stages: tuple[tuple[Action, ...], ...] = ()
    first: tuple[Action, ...] = ()
    last: tuple[Action, ...] = ()
    requeue_after: float | None = None
    asking: JobPoll | None = None
    """None if Ray is not asked about the job."""
    needs_proof: bool = False
    """Whether the API server must confirm that the cluster does not exist."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions."""
        return (*self.first, *(action for stage in self.stages for action in stage), *self.last)


def plan(seen: JobSnapshot) -> JobPlan:
    """What to do next, given everything known about a job."""
    if seen.other_operator is not None:
        return JobPlan()
    if seen.job.deleting:
        return _deleting(seen)
    after = step(seen)
    if after.job_deployment_status != seen.recorded.job_deployment_status:
        return JobPlan(requeue_after=0.0, asking=_asking(seen))
    state = state_of(seen)
    stages, later = _PLANS.get(state, _nothing)(seen)
    beside = service_actions(seen) if state == JobDeploymentStatus.RUNNING else ()
    times = [*waits(seen, after), *([] if later is None else [later])]
    return JobPlan(
        stages=stages,
        first=(*stops(seen), *beside),
        requeue_after=min(times, default=None),
        asking=_asking(seen),
        needs_proof=_needs_proof(seen),
    )


_Planned = tuple[tuple[tuple[Action, ...], ...], float | None]


def _nothing(_: JobSnapshot) -> _Planned:
    return (), None


def _starting(seen: JobSnapshot) -> _Planned:
    actions = (*stray_submitter(seen), *cluster_actions(seen))
    return ((actions,) if actions else ()), None


def _suspended(seen: JobSnapshot) -> _Planned:
    actions = tuple(stray_submitter(seen))
    return ((actions,) if actions else ()), None


def _running(seen: JobSnapshot) -> _Planned:
    ensured = (*stray_submitter(seen), *cluster_actions(seen))
    return (*((ensured,) if ensured else ()), *submission_stages(seen)), None


def _leaving(seen: JobSnapshot) -> _Planned:
    actions = tuple(leaving_actions(seen))
    return ((actions,) if actions else ()), None


def _ended(seen: JobSnapshot) -> _Planned:
    actions, later = ended_actions(seen)
    return ((actions,) if actions else ()), later


_PLANS: Final[Mapping[str, Callable[[JobSnapshot], _Planned]]] = {
    JobDeploymentStatus.INITIALIZING: _starting,
    JobDeploymentStatus.WAITING: _starting,
    JobDeploymentStatus.RUNNING: _running,
    JobDeploymentStatus.SUSPENDED: _suspended,
    JobDeploymentStatus.SUSPENDING: _leaving,
    JobDeploymentStatus.RETRYING: _leaving,
    JobDeploymentStatus.COMPLETE: _ended,
    JobDeploymentStatus.FAILED: _ended,
}


def _deleting(seen: JobSnapshot) -> JobPlan:
    """A deleted job may go once it is stopped in Ray, or has waited for that for long enough.

    Its own cluster goes with it, so there nothing is waited for.
    """
    if Finalizer.RAYJOB not in seen.job.finalizers:
        return JobPlan()
    cluster = seen.cluster
    stays = isinstance(cluster, ClusterFacts) and not cluster.owned
    left = seen.job.deleted + seen.settings.farewell - seen.now
    if stays and left > 0 and may_run_on(seen):
        again = min(STOP_AGAIN_SECONDS, left)
        return JobPlan(first=tuple(stops(seen)), requeue_after=again, asking=JobPoll(active=True))
    return JobPlan(first=tuple(stops(seen)), last=(RemoveJobFinalizer("the job was deleted"),))


def _asking(seen: JobSnapshot) -> JobPoll | None:
    if seen.recorded.job_deployment_status == JobDeploymentStatus.RUNNING:
        return JobPoll(active=is_uncertain(seen))
    return JobPoll(active=may_run_on(seen)) if watched_for(seen) > 0 else None


_UNTIL_PROVEN: Final = frozenset(
    {
        JobDeploymentStatus.RUNNING,
        JobDeploymentStatus.SUSPENDING,
        JobDeploymentStatus.RETRYING,
    }
)
"""States in which it matters whether the cluster is gone. In all others it is made, or nothing follows."""


def _needs_proof(seen: JobSnapshot) -> bool:
    cluster = seen.cluster
    return (
        isinstance(cluster, NoCluster)
        and not cluster.confirmed
        and seen.recorded.job_deployment_status in _UNTIL_PROVEN
    )
