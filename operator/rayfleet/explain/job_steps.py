"""What happens next to a job, and when."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rayfleet.api.rayjob import RayJobSpec
from rayfleet.api.rayjob.status import JobConditionType, JobDeploymentStatus, RayJobStatus
from rayfleet.explain.job_sources import JobSources
from rayfleet.kinds.rayjob.plan.cleanup import rules
from rayfleet.kinds.rayjob.progress.starting import start_policy
from rayfleet.kube.objects.timestamps import unix_seconds

_DELETIONS: Final = {
    "DeleteSelf": "the RayJob is deleted, with its cluster",
    "DeleteCluster": "its cluster is deleted",
    "DeleteWorkers": "the workers of its cluster are deleted",
}


class JobStep(NamedTuple):
    """Something that is to happen."""

    words: str
    seconds: float | None = None
    """From now; None if it depends on what the job waits for."""


def steps(of: JobSources) -> Iterator[JobStep]:
    """The next step, and what time alone may bring."""
    status, spec = of.status, of.spec
    if of.job.deleting:
        yield JobStep("it goes once Ray was asked to stop it")
        return
    if status.has_ended:
        yield from _after_the_end(of, status, spec)
        return
    yield JobStep(_next(of, status))
    if spec is not None and status.start_time is not None:
        yield from _deadlines(of, status, spec)


def _next(of: JobSources, status: RayJobStatus) -> str:
    attempt = (status.attempt or 0) + 1
    match status.job_deployment_status:
        case JobDeploymentStatus.INITIALIZING:
            scales = of.cluster is not None and of.cluster.scaled
            head_is_enough = start_policy(of.spec, scales=scales) == "Head"
            ready = "its head is ready" if head_is_enough else "all its workers are ready"
            return f"the job is submitted once {ready}"
        case JobDeploymentStatus.WAITING:
            return "the job runs once its user has submitted it"
        case JobDeploymentStatus.RUNNING:
            if status.submission.accepted_time is None:
                return "Ray starts the driver once it has the job"
            return "Ray runs it to its end"
        case JobDeploymentStatus.SUSPENDING:
            return "it is suspended once its cluster is gone"
        case JobDeploymentStatus.SUSPENDED:
            return "it begins when spec.suspend is false"
        case JobDeploymentStatus.RETRYING:
            return f"attempt {attempt} begins"
        case JobDeploymentStatus.VALIDATION_FAILED:
            return "nothing, until its spec is mended"
        case _:
            return "the operator takes it up"


def _deadlines(of: JobSources, status: RayJobStatus, spec: RayJobSpec) -> Iterator[JobStep]:
    start = unix_seconds(status.start_time)
    if again := unix_seconds(status.next_attempt_time):
        yield JobStep("the next attempt may begin", max(0.0, again - of.now))
        return
    if (limit := spec.active_deadline_seconds) is not None:
        yield JobStep(f"it fails: activeDeadlineSeconds is {limit}", max(0.0, start + limit - of.now))
    starts = status.job_deployment_status in {JobDeploymentStatus.INITIALIZING, JobDeploymentStatus.WAITING}
    if starts and (limit := spec.pre_running_deadline_seconds) is not None:
        yield JobStep(
            f"it fails, unless it runs: preRunningDeadlineSeconds is {limit}",
            max(0.0, start + limit - of.now),
        )


def _after_the_end(of: JobSources, status: RayJobStatus, spec: RayJobSpec | None) -> Iterator[JobStep]:
    held = status.condition(JobConditionType.RESOURCES_HELD)
    for rule in rules(spec, status) if spec is not None else ():
        words = _DELETIONS.get(rule.policy)
        is_left = rule.policy == "DeleteSelf" or (held is not None and held.holds)
        if words is not None and is_left:
            yield JobStep(f"{words} ({rule.reason})", max(0.0, rule.at - of.now))
