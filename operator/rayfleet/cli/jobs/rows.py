"""One line about each job. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rayfleet.api.rayjob.status import JobConditionType, RayJobStatus, recorded
from rayfleet.cli.durations import duration
from rayfleet.cli.jobs.narration import verdict_words
from rayfleet.cli.tables import table
from rayfleet.engine.conditions import rfc3339
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.roots import root_from_object
from rayfleet.kube.objects.timestamps import unix_seconds


class JobRow(Struct, frozen=True):
    """What is listed of a job."""

    namespace: str
    name: str
    state: str
    """`jobDeploymentStatus`, or `New`."""
    job_status: str
    """What Ray says; empty if it has said nothing yet."""
    cluster: str
    gpus: str
    """That its cluster should have now; empty if it has none."""
    created: float
    """Unix seconds."""
    age: float
    """Seconds."""
    seconds: float | None
    """From the start of this attempt to its end, or to now; None if it has not begun."""
    status: RayJobStatus
    why: str
    """What it waits for, or why it failed."""


def row_of(item: Mapping[str, Any], now: float) -> JobRow:
    """The row of a stored RayJob."""
    job = root_from_object(item, RAYJOBS.kind)
    status = recorded(job.status)
    start, end = unix_seconds(status.start_time), unix_seconds(status.end_time)
    state = status.job_deployment_status or "New"
    return JobRow(
        namespace=job.key.namespace,
        name=job.key.name,
        state="Deleting" if job.deleting else state,
        job_status=status.job_status,
        cluster=status.ray_cluster_name,
        gpus="" if status.has_ended else status.ray_cluster_status.desired_gpu,
        created=job.created,
        age=max(0.0, now - job.created),
        seconds=max(0.0, (end or now) - start) if start else None,
        status=status,
        why=_why(status),
    )


def rows_text(rows: Sequence[JobRow], *, namespaces: bool) -> str:
    """A table; empty without rows."""
    heads: tuple[str, ...] = ("NAME", "STATE", "JOB STATUS", "CLUSTER", "GPUS", "AGE", "DURATION", "REASON")
    cells = [
        (
            *((row.namespace,) if namespaces else ()),
            row.name,
            row.state,
            row.job_status or "-",
            row.cluster or "-",
            row.gpus or "-",
            duration(row.age),
            "-" if row.seconds is None else duration(row.seconds),
            _reason(row.status) or "-",
        )
        for row in rows
    ]
    heads = ("NAMESPACE", *heads) if namespaces else heads
    return table(heads, cells, numbers=("GPUS",), whole=("NAMESPACE", "NAME", "CLUSTER"))


def row_data(row: JobRow) -> dict[str, Any]:
    """The same for programs."""
    status = row.status
    return {
        "namespace": row.namespace,
        "name": row.name,
        "state": row.state,
        "jobStatus": row.job_status,
        "jobId": status.job_id,
        "cluster": row.cluster,
        "gpus": row.gpus,
        "created": rfc3339(row.created),
        "startTime": status.start_time,
        "endTime": status.end_time,
        "durationSeconds": None if row.seconds is None else round(row.seconds),
        "attempt": status.attempt,
        "failed": status.failed or 0,
        "gpuSeconds": status.gpu_seconds,
        "reason": status.reason,
        "verdict": dict(status.verdict.wire) or None,
        "message": row.why,
    }


def _reason(status: RayJobStatus) -> str:
    """Whose fault the last failure was, in a word or two."""
    judged = status.verdict
    return f"{judged.cause} ({judged.category})" if judged.cause else status.reason


def _why(status: RayJobStatus) -> str:
    """Why it failed; while it goes on, what the operator says that it waits for."""
    if status.reason or status.verdict.cause:
        return verdict_words(status)
    progress = status.condition(JobConditionType.PROGRESSING)
    return progress.message if progress is not None and progress.holds else ""
