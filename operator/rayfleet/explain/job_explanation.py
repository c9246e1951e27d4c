"""Where a job stands and why, as values: from what was read to what is shown. Pure.

Nothing is concluded from sentences: states, times and codes of the two statuses decide.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from rayfleet.api.rayjob.status import JobConditionType, RayJobStatus
from rayfleet.explain.explanation import EVENTS_SHOWN, ConditionNote, Explanation
from rayfleet.explain.job_sources import JobSources
from rayfleet.explain.job_steps import JobStep, steps
from rayfleet.explain.job_waits import JobWait, waits
from rayfleet.explain.sources import EventNote
from rayfleet.kube.objects.timestamps import unix_seconds

_WORTH_A_WORD: Final[Mapping[str, bool]] = {
    JobConditionType.VALID: False,
    JobConditionType.RESOURCES_HELD: True,
}
"""Conditions that are shown, and in which state."""


class Failure(Struct, frozen=True):
    """Why the last failed attempt failed."""

    category: str
    cause: str
    evidence: tuple[str, ...]
    attempt: int | None
    time: float
    """Unix seconds; 0 if it is not known."""


class JobExplanation(Struct, frozen=True):
    """Everything that is shown about a job."""

    namespace: str
    name: str
    now: float
    state: str
    """`jobDeploymentStatus`, or `New`."""
    job_status: str
    """What Ray says; empty if it has said nothing."""
    job_id: str
    cluster_name: str
    attempt: int | None
    failed: int
    """Attempts that failed."""
    backoff_limit: int | None
    """How many new attempts the spec allows; None if it is not valid."""
    started: float
    ended: float
    """Unix seconds; 0 for what has not happened."""
    reason: str
    message: str
    waits: tuple[JobWait, ...]
    steps: tuple[JobStep, ...]
    failure: Failure | None
    conditions: tuple[ConditionNote, ...]
    events: tuple[EventNote, ...]
    cluster: Explanation | None
    missing: tuple[str, ...]


def job_explanation_of(of: JobSources) -> JobExplanation:
    """Explain a job."""
    status = of.status
    return JobExplanation(
        namespace=of.job.key.namespace,
        name=of.job.key.name,
        now=of.now,
        state=status.job_deployment_status or "New",
        job_status=status.job_status,
        job_id=status.job_id,
        cluster_name=status.ray_cluster_name,
        attempt=status.attempt,
        failed=status.failed or 0,
        backoff_limit=None if of.spec is None else of.spec.backoff_limit,
        started=unix_seconds(status.start_time),
        ended=unix_seconds(status.end_time),
        reason=status.reason,
        message=status.message,
        waits=tuple(waits(of)),
        steps=tuple(steps(of)),
        failure=_failure(status),
        conditions=_conditions(status),
        events=of.events[-EVENTS_SHOWN:],
        cluster=of.cluster,
        missing=(*of.missing, *_unknown_cluster(of)),
    )


def _unknown_cluster(of: JobSources) -> tuple[str, ...]:
    """That the cluster of a job that needs one is not known."""
    is_expected = of.cluster_trouble and not of.status.has_ended
    return (f"the cluster: {of.cluster_trouble}",) if is_expected else ()


def _failure(status: RayJobStatus) -> Failure | None:
    judged = status.verdict
    if not judged.cause:
        return None
    return Failure(judged.category, judged.cause, judged.evidence, judged.attempt, unix_seconds(judged.time))


def _conditions(status: RayJobStatus) -> tuple[ConditionNote, ...]:
    shown = [entry for entry in status.conditions if _WORTH_A_WORD.get(entry.type) is entry.holds]
    return tuple(
        ConditionNote(
            entry.type, entry.holds, entry.reason, entry.message, unix_seconds(entry.last_transition_time)
        )
        for entry in shown
    )
