"""From evidence to a verdict: whose fault the end of an attempt was.

| evidence, in this order | verdict |
|---|---|
| the spec or the submission is refused; the runtime environment cannot be set up | configuration |
| the driver cannot be placed, or its command cannot be started | configuration |
| the head ran out of memory | application |
| the head was evicted, preempted, deleted, or lost with its node | infrastructure |
| the dashboard could not be asked for five minutes | infrastructure |
| Ray says FAILED, and the message names a fault of a GPU | infrastructure |
| Ray says FAILED, and a pod was evicted, preempted or lost with its node about that time | infrastructure |
| Ray says FAILED: the driver or a worker ran out of memory | application |
| Ray says FAILED because the job's supervisor died or did not start | infrastructure |
| Ray says FAILED: the driver's exit code | application |
| the submitter has ended without submitting | configuration; infrastructure if a head was lost meanwhile |
| a deadline before the job ran | what was waited for: configuration if only the manifest or a quota helps |
| a deadline | application |

A tenant can write messages that look like a fault of a GPU: all that brings is retries within their bound.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from rayfleet.api.rayjob.status import VerdictCategory
from rayfleet.kinds.rayjob.snapshot import Loss
from rayfleet.ray.dashboard import JobDetails

LOSS_SECONDS: Final = 120.0
"""How long before the failure a lost pod may be its cause. It may be seen later: Ray often knows first."""
LONGEST_EVIDENCE: Final = 256
MOST_EVIDENCE: Final = 5
_KILLED: Final = frozenset({137, -9})
_OUT_OF_MEMORY: Final = re.compile(r"OutOfMemoryError|\bOOM\b|memory monitor|CUDA out of memory", re.ASCII)
_GPU_FAULT: Final = re.compile(
    r"uncorrectable ECC|\bXid\b(?!.{0,40}: (13|31|43|45)\b)|GPU (has )?fallen off the bus|"
    r"CUDA error: unspecified launch failure|NVLink error|NCCL.{0,40}(system|remote) error",
    re.ASCII | re.IGNORECASE,
)
"""Not what programs do to a sound GPU: failed assertions, accesses beyond their memory, and the driver's
numbers for those (Xid 13, 31), for a program that was stopped (43), and for its clean-up (45)."""


class FailureCause(StrEnum):
    """What ended an attempt."""

    SPEC_REFUSED = "SpecRefused"
    SUBMISSION_REFUSED = "SubmissionRefused"
    SUBMITTER_FAILED = "SubmitterFailed"
    RUNTIME_ENV_FAILED = "RuntimeEnvFailed"
    DRIVER_UNSCHEDULABLE = "DriverUnschedulable"
    COMMAND_NOT_STARTED = "CommandNotStarted"
    HEAD_OUT_OF_MEMORY = "HeadOutOfMemory"
    HEAD_EVICTED = "HeadEvicted"
    HEAD_LOST = "HeadLost"
    JOB_FORGOTTEN = "JobForgotten"
    """The head that ran the job answers, and no longer knows it: it has lost its state."""
    DASHBOARD_UNREACHABLE = "DashboardUnreachable"
    GPU_FAULT = "GpuFault"
    WORKER_LOST = "WorkerLost"
    OUT_OF_MEMORY = "OutOfMemory"
    SUPERVISOR_FAILED = "SupervisorFailed"
    DRIVER_EXITED = "DriverExited"
    DEADLINE = "Deadline"
    NOT_STARTED_IN_TIME = "NotStartedInTime"


class AttemptVerdict(Struct, frozen=True):
    """Whose fault it was, with the evidence, most important first."""

    category: VerdictCategory
    cause: FailureCause
    evidence: tuple[str, ...] = ()


def verdict(category: VerdictCategory, cause: FailureCause, *evidence: str) -> AttemptVerdict:
    """A verdict whose evidence is short enough for a status."""
    kept = [_short(each) for each in evidence if each]
    return AttemptVerdict(category, cause, tuple(kept[:MOST_EVIDENCE]))


_BY_TYPE: Final = {
    "RUNTIME_ENV_SETUP_FAILURE": (VerdictCategory.CONFIGURATION, FailureCause.RUNTIME_ENV_FAILED),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": (VerdictCategory.CONFIGURATION, FailureCause.DRIVER_UNSCHEDULABLE),
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": (VerdictCategory.CONFIGURATION, FailureCause.COMMAND_NOT_STARTED),
}
"""Ray's error types (`JobErrorType`) that say whose fault it was, whatever else happened."""
_SUPERVISOR: Final = "JOB_SUPERVISOR_ACTOR_"
"""All other types with this prefix: the job's supervisor died, or was not started in time."""


def of_failure(job: JobDetails, losses: Sequence[Loss], now: float) -> AttemptVerdict:
    """The verdict on a job that Ray calls FAILED."""
    facts = (*_facts(job), _short(job.message))
    known = _BY_TYPE.get(job.error_type)
    if known is not None:
        return verdict(*known, *facts)
    if _GPU_FAULT.search(job.message):
        return verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.GPU_FAULT, *facts)
    lost = [loss for loss in losses if now - loss.at <= LOSS_SECONDS]
    heads = [loss for loss in lost if loss.is_head]
    if heads:  # Another one has gone on with its state, but the driver is gone.
        return of_lost_head(heads[-1], *facts)
    outside = [loss for loss in lost if loss.reason != "OOMKilled"]
    if outside:
        return verdict(
            VerdictCategory.INFRASTRUCTURE, FailureCause.WORKER_LOST, *map(loss_words, outside), *facts
        )
    killed = job.driver_exit_code in _KILLED
    if killed or len(lost) > len(outside) or _OUT_OF_MEMORY.search(job.message):
        return verdict(
            VerdictCategory.APPLICATION, FailureCause.OUT_OF_MEMORY, *map(loss_words, lost), *facts
        )
    if job.error_type.startswith(_SUPERVISOR):
        return verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.SUPERVISOR_FAILED, *facts)
    return verdict(VerdictCategory.APPLICATION, FailureCause.DRIVER_EXITED, *facts)


def of_lost_head(loss: Loss | None, *facts: str) -> AttemptVerdict:
    """The verdict on an attempt whose head is gone; `loss` is None if nobody saw how it ended."""
    if loss is None:
        return verdict(VerdictCategory.INFRASTRUCTURE, FailureCause.HEAD_LOST, "the head is gone")
    if loss.reason == "OOMKilled":
        return verdict(VerdictCategory.APPLICATION, FailureCause.HEAD_OUT_OF_MEMORY, loss_words(loss), *facts)
    cause = FailureCause.HEAD_LOST if loss.reason in {"", "Deleted"} else FailureCause.HEAD_EVICTED
    return verdict(VerdictCategory.INFRASTRUCTURE, cause, loss_words(loss), *facts)


def loss_words(loss: Loss) -> str:
    """What happened to a pod."""
    where = f" on node {loss.node}" if loss.node else ""
    return f"{'head' if loss.is_head else 'worker'} {loss.pod}{where}: {loss.reason or 'gone'}"


def _facts(job: JobDetails) -> Iterator[str]:
    if job.error_type:
        yield f"Ray's error type is {job.error_type}"
    if job.driver_exit_code is not None:
        yield f"the driver's exit code is {job.driver_exit_code}"


def _short(text: str) -> str:
    """The end of a long text, where the error is."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_EVIDENCE else f"...{text[-LONGEST_EVIDENCE + 3 :]}"
