"""The status of a RayJob, as it is read, written, and described in the CRD.

It is the memory of the job: what has been decided is recorded here before it is done.
"""

import math
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from rayfleet.api.condition import StatusCondition
from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.api.rayjob.kept_rules import KeptRules
from rayfleet.api.status_model import (
    Count,
    Generation,
    ListKey,
    Named,
    Number,
    Scalar,
    Size,
    StatusPart,
    Text,
    Time,
    choice,
)

_MOST_GPU_SECONDS: Final = 1e15


class JobStatus(StrEnum):
    """What Ray says of the job; a newer Ray may say something else."""

    NEW = ""
    """Ray has said nothing yet."""
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


TERMINAL_JOB_STATUSES: Final = frozenset({JobStatus.STOPPED, JobStatus.SUCCEEDED, JobStatus.FAILED})
"""The job has ended; Ray never changes these."""


class JobDeploymentStatus(StrEnum):
    """Where the RayJob stands."""

    NEW = ""
    INITIALIZING = "Initializing"
    """The cluster is coming."""
    WAITING = "Waiting"
    """InteractiveMode: the user has not submitted yet."""
    RUNNING = "Running"
    """The job is submitted, or about to be."""
    COMPLETE = "Complete"
    """Ended; Ray's verdict is SUCCEEDED or STOPPED."""
    FAILED = "Failed"
    SUSPENDING = "Suspending"
    """The cluster is going, because the user has suspended the job."""
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    """The remains of a failed attempt are going."""
    VALIDATION_FAILED = "ValidationFailed"


TERMINAL_DEPLOYMENT_STATUSES: Final = frozenset({JobDeploymentStatus.COMPLETE, JobDeploymentStatus.FAILED})
"""The RayJob never starts again."""


class FailedReason(StrEnum):
    """Values of `reason`, as users of the API know them."""

    NONE = ""
    SUBMISSION_FAILED = "SubmissionFailed"
    APP_FAILED = "AppFailed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PRE_RUNNING_DEADLINE_EXCEEDED = "PreRunningDeadlineExceeded"
    TRANSITION_GRACE_PERIOD_EXCEEDED = "JobDeploymentStatusTransitionGracePeriodExceeded"
    STATUS_CHECK_TIMEOUT_EXCEEDED = "JobStatusCheckTimeoutExceeded"
    VALIDATION_FAILED = "ValidationFailed"


class JobConditionType(StrEnum):
    """The conditions of a RayJob."""

    VALID = "Valid"
    """The stored spec can be acted on."""
    PROGRESSING = "Progressing"
    """It comes nearer to its end; the reason says how far it is."""
    COMPLETE = "Complete"
    """It has ended without a failure."""
    FAILED = "Failed"
    """It has ended with a failure, and is not tried again; the reason is the cause."""
    RESOURCES_HELD = "ResourcesHeld"
    """It has ended, but its cluster is still there."""


class VerdictCategory(StrEnum):
    """Whose fault a failed attempt was."""

    INFRASTRUCTURE = "infrastructure"
    """A node, a GPU, the network, a preemption."""
    APPLICATION = "application"
    """The program."""
    CONFIGURATION = "configuration"
    """The manifest: an image, a command, a quota."""


def _amount(value: object) -> float | None:
    """A number from 0 that is no more than all GPUs can come to; anything else reads as None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_GPU_SECONDS:
        return None
    return float(value) if math.isfinite(value) else None


Amount: TypeAlias = Annotated[float | None, Scalar({"type": "number"}, _amount)]


class RayJobInfo(StatusPart):
    """What Ray says about the times of the job."""

    __slots__ = ()

    start_time: Annotated[Time, "When the job began to run."] = None
    end_time: Annotated[Time, "When it ended."] = None


class Submission(StatusPart):
    """Where the job of this attempt has been submitted."""

    __slots__ = ()

    cluster_uid: Annotated[Text, "The uid of the cluster."] = ""
    head_epoch: Annotated[Number, "Which head of that cluster: how many it had had before."] = None
    sent_time: Annotated[Time, "When the job was first sent there; it may not have arrived."] = None
    accepted_time: Annotated[Time, "When Ray was first seen to know it."] = None


class Verdict(StatusPart):
    """Why the last attempt failed."""

    __slots__ = ()

    category: Annotated[
        str,
        choice(*(category.value for category in VerdictCategory)),
        "Whose fault it was: `infrastructure`, `application` or `configuration`.",
    ] = ""
    cause: Annotated[Text, "The cause, in one word."] = ""
    evidence: Annotated[tuple[Text, ...], "What it was concluded from."] = ()
    attempt: Annotated[Size, "Which attempt failed."] = None
    time: Annotated[Time, "When that was concluded."] = None


class RayJobStatus(StatusPart):
    """The status of a RayJob."""

    __slots__ = ()

    job_id: Annotated[Text, "Ray's name of the job (submission id)."] = ""
    ray_cluster_name: Annotated[Text, "The cluster of this attempt."] = ""
    dashboard_url: Annotated[
        Text, Named("dashboardURL"), "Host and port of Ray's dashboard, without a scheme."
    ] = ""
    job_status: Annotated[
        Text, "What Ray says: `PENDING`, `RUNNING`, `STOPPED`, `SUCCEEDED` or `FAILED`."
    ] = ""
    job_deployment_status: Annotated[
        Text,
        "Where the RayJob stands: `Initializing`, `Waiting`, `Running`, `Complete`, `Failed`, `Suspending`,"
        " `Suspended`, `Retrying` or `ValidationFailed`.",
    ] = ""
    reason: Annotated[
        Text,
        "Why it failed: `SubmissionFailed`, `AppFailed`, `DeadlineExceeded`, `PreRunningDeadlineExceeded`,"
        " `JobDeploymentStatusTransitionGracePeriodExceeded`, `JobStatusCheckTimeoutExceeded` or"
        " `ValidationFailed`.",
    ] = ""
    message: Annotated[Text, "Ray's message about the job, or why it failed."] = ""
    start_time: Annotated[Time, "When this attempt began."] = None
    end_time: Annotated[Time, "When the RayJob ended for good."] = None
    succeeded: Annotated[Count, "Attempts that succeeded: 0 or 1."] = None
    failed: Annotated[Count, "Attempts that failed."] = None
    ray_job_info: Annotated[RayJobInfo, "What Ray says about the times of the job."] = RayJobInfo()
    ray_cluster_status: Annotated[
        RayClusterStatus, "The status of the cluster, while the job starts and runs."
    ] = RayClusterStatus()
    job_status_check_failure_start_time: Annotated[
        Time, "Since when Ray has not answered; absent while it does."
    ] = None
    observed_generation: Annotated[Generation, "Generation of the spec that this status is about."] = None
    attempt: Annotated[Size, "Which attempt this is, from 1."] = None
    submission: Annotated[Submission, "Where the job of this attempt has been submitted."] = Submission()
    verdict: Annotated[Verdict, "Why the last failed attempt failed."] = Verdict()
    infrastructure_failures: Annotated[Size, "Attempts that were lost to the infrastructure."] = None
    next_attempt_time: Annotated[Time, "When the next attempt begins; absent if none waits."] = None
    submitter_finished_time: Annotated[Time, "Since when whoever submits the job has ended."] = None
    gpu_seconds: Annotated[
        Amount, "GPU time of all attempts, in seconds times GPUs; brought up to date with each other change."
    ] = None
    gpu_seconds_time: Annotated[Time, "Until when `gpuSeconds` counts."] = None
    kept_rules: Annotated[
        KeptRules,
        "Rules of the last valid spec: the job ends by them even if its spec is edited into nonsense.",
    ] = KeptRules()
    conditions: Annotated[tuple[StatusCondition, ...], ListKey("type"), "The conditions of the RayJob."] = ()

    def condition(self, kind: JobConditionType) -> StatusCondition | None:
        """The first condition of this type."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def holds(self, kind: JobConditionType) -> bool:
        """Whether a condition is True."""
        return any(condition.type == kind and condition.holds for condition in self.conditions)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended for good."""
        return self.job_deployment_status in TERMINAL_DEPLOYMENT_STATUSES


def recorded(status: object) -> RayJobStatus:
    """A stored status. Does not raise, whatever it holds."""
    return RayJobStatus.recorded(status)
