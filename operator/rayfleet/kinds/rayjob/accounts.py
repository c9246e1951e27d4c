"""What metrics show about jobs and nothing else needs: what has become of attempts, and how long they waited.

A pass sees each state that is recorded, because every change of it asks for another pass. Only a change that
this leader has seen counts: of a job that it finds in a state it does not know since when.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Struct

from rayfleet.api.rayjob.status import JobDeploymentStatus, JobStatus, RayJobStatus, VerdictCategory
from rayfleet.fleet.jobs import NOBODY, RECORD, SUBMIT, TOTAL, FleetJobs, Result
from rayfleet.kinds.rayjob.progress.hearing import MILLISECONDS
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, Found, JobSnapshot
from rayfleet.kinds.rayjob.verdict import FailureCause
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.timestamps import unix_seconds

_CAUSES: Final = {
    VerdictCategory.CONFIGURATION: (
        *(FailureCause.SPEC_REFUSED, FailureCause.SUBMISSION_REFUSED, FailureCause.SUBMITTER_FAILED),
        *(
            FailureCause.RUNTIME_ENV_FAILED,
            FailureCause.DRIVER_UNSCHEDULABLE,
            FailureCause.COMMAND_NOT_STARTED,
        ),
    ),
    VerdictCategory.APPLICATION: (
        *(
            FailureCause.HEAD_OUT_OF_MEMORY,
            FailureCause.OUT_OF_MEMORY,
            FailureCause.DRIVER_EXITED,
            FailureCause.DEADLINE,
        ),
    ),
    VerdictCategory.INFRASTRUCTURE: (
        *(
            FailureCause.HEAD_EVICTED,
            FailureCause.HEAD_LOST,
            FailureCause.JOB_FORGOTTEN,
            FailureCause.DASHBOARD_UNREACHABLE,
        ),
        *(
            FailureCause.GPU_FAULT,
            FailureCause.WORKER_LOST,
            FailureCause.SUPERVISOR_FAILED,
            FailureCause.NOT_STARTED_IN_TIME,
        ),
    ),
}
VERDICTS: Final = tuple(
    (str(category), str(cause)) for category, causes in _CAUSES.items() for cause in causes
)
"""Every verdict that there can be. Whoever may write a status may write another one."""
OTHER: Final = ("Other", "Other")
_UNDER_WAY: Final = frozenset(
    {JobDeploymentStatus.INITIALIZING, JobDeploymentStatus.WAITING, JobDeploymentStatus.RUNNING}
)
_SUSPENDED: Final = frozenset({JobDeploymentStatus.SUSPENDING, JobDeploymentStatus.SUSPENDED})
_RAN: Final = frozenset({JobStatus.RUNNING, JobStatus.SUCCEEDED})
"""What Ray says of a job that has run; one that ended soon may not have been seen while it ran."""


class Execution(NamedTuple):
    """How long an attempt took that another one followed."""

    seconds: float
    failed_before: int


class _LastSeen(Struct, frozen=True):
    """A job as of the last pass over it."""

    uid: str
    attempt: int
    state: str
    has_run: bool
    """Whether Ray has run this attempt."""
    was_suspended: bool
    retried: Execution | None
    """The last attempt that failed and was retried."""


class JobAccounts:
    """The accounts of all jobs. Losing them in a restart costs what happens meanwhile."""

    def __init__(self, leading: Callable[[], bool] = lambda: True) -> None:
        self._leading = leading
        self._known: dict[Key, _LastSeen] = {}
        self.fleet = FleetJobs(VERDICTS)

    def settled(self, seen: JobSnapshot) -> None:
        """A pass has looked at a job."""
        key, status = seen.job.key, seen.recorded
        before = self._known.get(key)
        if before is not None and before.uid != seen.job.uid:
            before = None
        # When another leads, a pass may be under way and still report here.
        if not self._leading() or seen.other_operator is not None:
            self._known.pop(key, None)
            return
        if before is not None:
            self._compare(before, seen, status)
        if status.has_ended:
            self._known.pop(key, None)  # Nothing will happen to it any more.
        else:
            self._known[key] = _after(before, seen, status)

    def retried(self, key: Key, uid: str) -> Execution | None:
        """How long the last attempt of a job took that was retried; None if that is not known."""
        known = self._known.get(key)
        return known.retried if known is not None and known.uid == uid else None

    def forget(self, key: Key) -> None:
        """The job is gone."""
        self._known.pop(key, None)

    def forget_all(self) -> None:
        """Another operator leads, or a term begins."""
        self._known.clear()

    def _compare(self, before: _LastSeen, seen: JobSnapshot, status: RayJobStatus) -> None:
        """Record what has happened to a job since the last pass."""
        is_same = before.attempt == (status.attempt or 0)
        if is_same and not before.has_run and status.job_status in _RAN:
            self._ran(before, seen, status)
        result = _result(status)
        if not is_same or result is None or before.state not in _UNDER_WAY:
            return
        category, cause = _verdict(status) if result in {Result.RETRIED, Result.FAILED} else NOBODY
        self.fleet.attempts[result, category, cause] += 1
        ended = _end(seen, status)
        if ended is not None:
            self.fleet.durations[RECORD].add(seen.now - ended)

    def _ran(self, before: _LastSeen, seen: JobSnapshot, status: RayJobStatus) -> None:
        """Ray has begun to run an attempt. Of those that users submit themselves, they know why."""
        spec, cluster = seen.spec, seen.cluster
        if spec is None or spec.submission_mode == "InteractiveMode":
            return
        if isinstance(cluster, ClusterFacts) and cluster.head is not None and cluster.head.ready:
            since = max(cluster.head.readiness_since, unix_seconds(status.start_time))
            self.fleet.durations[SUBMIT].add(seen.now - since)
        if before.attempt == 1 and not before.was_suspended:
            self.fleet.durations[TOTAL].add(seen.now - seen.job.created)


def _after(before: _LastSeen | None, seen: JobSnapshot, status: RayJobStatus) -> _LastSeen:
    state, attempt = status.job_deployment_status, status.attempt or 0
    is_same = before is not None and before.attempt == attempt
    was_suspended = state in _SUSPENDED or (before is not None and before.was_suspended)
    retried = None if before is None else before.retried
    if before is not None and before.state in _UNDER_WAY and state == JobDeploymentStatus.RETRYING:
        took = unix_seconds(status.verdict.time) - unix_seconds(status.start_time)
        retried = Execution(max(took, 0.0), max((status.failed or 0) - 1, 0))
    has_run = status.job_status in _RAN or (is_same and before is not None and before.has_run)
    return _LastSeen(seen.job.uid, attempt, state, has_run, was_suspended, retried)


def _result(status: RayJobStatus) -> Result | None:
    """What became of the attempt; None while it is under way."""
    match status.job_deployment_status:
        case JobDeploymentStatus.COMPLETE:
            return Result.SUCCEEDED if status.job_status == JobStatus.SUCCEEDED else Result.STOPPED
        case JobDeploymentStatus.FAILED:
            return Result.FAILED
        case JobDeploymentStatus.RETRYING:
            return Result.RETRIED
        case JobDeploymentStatus.SUSPENDING:
            return Result.SUSPENDED
        case _:
            return None


def _verdict(status: RayJobStatus) -> tuple[str, str]:
    recorded = (status.verdict.category, status.verdict.cause)
    return recorded if recorded in VERDICTS else OTHER


def _end(seen: JobSnapshot, status: RayJobStatus) -> float | None:
    """When Ray's job ended, in Unix seconds; None if it has not, or says what cannot be."""
    answer = seen.answer
    ended = unix_seconds(status.ray_job_info.end_time)
    if isinstance(answer, Found) and answer.details.end_time:
        ended = answer.details.end_time / MILLISECONDS
    # A head may say anything: one end in 1970 would be more than all others together.
    return ended if ended and ended >= unix_seconds(status.start_time) else None
