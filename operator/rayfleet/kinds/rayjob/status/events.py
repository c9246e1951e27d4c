"""The events of a job: what a pass did and failed to do, and each change of its state with the reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rayfleet.api.rayjob import account
from rayfleet.api.rayjob.status import JobConditionType, JobDeploymentStatus, RayJobStatus, recorded
from rayfleet.engine.actions import Action
from rayfleet.engine.event import Event
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import Policy, policy
from rayfleet.kinds.rayjob.actions import (
    AddJobFinalizer,
    CreateCluster,
    CreateJobService,
    CreateSubmitter,
    DeleteCluster,
    DeleteSelf,
    DeleteSubmitter,
    PatchJobService,
    StopJob,
    SubmitJob,
    SuspendGroups,
)
from rayfleet.kinds.rayjob.plan import JobPlan
from rayfleet.kinds.rayjob.snapshot import JobSnapshot, NoCluster, selected_cluster
from rayfleet.kinds.rayjob.status.conditions import missing


def events_of(
    seen: JobSnapshot,
    plan: JobPlan | None,
    outcomes: Sequence[Outcome],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Sequence[Event]:
    """The events of a pass, given the status before it and the one stored now."""
    was, now = recorded(before), recorded(after)
    found = (
        *_done(outcomes),
        *_failed(outcomes),
        *_turned(was, now),
        *_submitter(seen, was, now),
        *_spec(seen, was),
        *_missing(seen, plan, was),
    )
    return tuple(event.shortened() for event in found)


_VERBS: Final[Mapping[type, tuple[str, str, str]]] = {
    CreateCluster: ("Create", "Created", "RayCluster"),
    DeleteCluster: ("Delete", "Deleted", "RayCluster"),
    CreateSubmitter: ("Create", "Created", "RayJobSubmitter"),
    DeleteSubmitter: ("Delete", "Deleted", "RayJobSubmitter"),
    CreateJobService: ("Create", "Created", "Service"),
    PatchJobService: ("Update", "Updated", "Service"),
    SuspendGroups: ("Update", "Updated", "RayCluster"),
    AddJobFinalizer: ("Update", "Updated", "RayJob"),
    SubmitJob: ("Submit", "Submitted", "Job"),
    StopJob: ("Stop", "Stopped", "Job"),
    DeleteSelf: ("Delete", "Deleted", "RayJob"),
}
"""By action, its verb, that verb in the past, and its object."""


def _done(outcomes: Sequence[Outcome]) -> Iterator[Event]:
    for outcome in outcomes:
        words = _VERBS.get(type(outcome.action))
        silent = isinstance(outcome.action, StopJob | AddJobFinalizer)
        if words is None or not isinstance(outcome, Succeeded) or silent:
            continue
        verb, past, what = words
        note = f"{past} {what} {_name(outcome.action)}: {outcome.action.reason}"
        yield Event("Normal", f"{past}{what}", verb, note, settles=f"FailedTo{verb}{what}")


def _failed(outcomes: Sequence[Outcome]) -> Iterator[Event]:
    """The failures; a conflict is how two writers take turns."""
    for outcome in outcomes:
        words = _VERBS.get(type(outcome.action))
        if words is None or not isinstance(outcome, Failed):
            continue
        creates = isinstance(outcome.action, CreateCluster | CreateSubmitter | CreateJobService)
        if policy(outcome.failure) in {Policy.CONFLICT, Policy.GONE} and not creates:
            continue
        verb, _, what = words
        note = f"{what} {_name(outcome.action)}: {outcome.failure.message}"
        yield Event("Warning", f"FailedTo{verb}{what}", verb, note)


def _turned(was: RayJobStatus, now: RayJobStatus) -> Iterator[Event]:
    """A change of state, and that Ray runs the job."""
    if now.job_status != was.job_status and now.job_status == "RUNNING":
        yield Event("Normal", "RayJobRunning", "Run", f"Ray runs job {now.job_id}", heard=True)
    state = now.job_deployment_status
    if state == was.job_deployment_status:
        return
    attempt = now.attempt or 0
    match state:
        case JobDeploymentStatus.INITIALIZING if was.job_deployment_status == JobDeploymentStatus.RUNNING:
            note = f"RayCluster {now.ray_cluster_name} lost its head before Ray had the job, which waits"
            yield Event("Warning", "RayJobWaiting", "Start", f"{note} for the next one")
        case JobDeploymentStatus.INITIALIZING:
            note = f"Attempt {attempt} begins, on RayCluster {now.ray_cluster_name}"
            yield Event("Normal", "RayJobStarted", "Start", note, settles="InvalidRayJobSpec")
        case JobDeploymentStatus.COMPLETE:
            reason = "RayJobSucceeded" if now.job_status == "SUCCEEDED" else "RayJobStopped"
            words = f": {now.message}" if now.message else ""
            yield Event("Normal", reason, "Complete", f"Ray says {now.job_status}{words}")
        case JobDeploymentStatus.FAILED:
            yield Event("Warning", "RayJobFailed", "Fail", f"{now.reason}: {now.message}{_judged(now)}")
        case JobDeploymentStatus.RETRYING if now.failed != was.failed:
            when = f" at {now.next_attempt_time}" if now.next_attempt_time else ""
            note = f"Attempt {attempt} has failed, and another one begins{when}: {now.message}{_judged(now)}"
            yield Event("Warning", "RayJobRetrying", "Retry", note)
        case JobDeploymentStatus.SUSPENDED:
            yield Event("Normal", "RayJobSuspended", "Suspend", "The job is suspended, and holds nothing")
        case _:
            return


def _judged(status: RayJobStatus) -> str:
    """Whose fault it was, with the evidence that the message does not have."""
    verdict = status.verdict
    evidence = "; ".join(each for each in verdict.evidence if each not in status.message)
    return f" ({verdict.category}, {verdict.cause}{': ' if evidence else ''}{evidence})" if verdict else ""


def _submitter(seen: JobSnapshot, was: RayJobStatus, now: RayJobStatus) -> Iterator[Event]:
    """That whoever only followed the job's log has died, which changes nothing."""
    submitter, is_news = seen.submitting, was.submitter_finished_time is None
    if not is_news or now.submitter_finished_time is None or submitter is None or not submitter.failed:
        return
    if now.job_deployment_status == JobDeploymentStatus.RUNNING and now.submission.accepted_time is not None:
        note = f"Submitter {submitter.name} has failed ({submitter.reason}), but Ray has job {now.job_id}"
        yield Event("Warning", "RayJobSubmitterFailed", "Submit", f"{note}: its result is waited for")


def _spec(seen: JobSnapshot, was: RayJobStatus) -> Iterator[Event]:
    known = was.condition(JobConditionType.VALID)
    words = account(seen.violations)
    if words and not (
        known is not None and known.status == "False" and known.message.startswith(words[:200])
    ):
        part = seen.violations[0].path.partition(".")[0].capitalize()
        yield Event("Warning", f"InvalidRayJob{part}", "Validate", words)


def _missing(seen: JobSnapshot, plan: JobPlan | None, was: RayJobStatus) -> Iterator[Event]:
    """That the selected cluster does not exist."""
    waits = seen.recorded.job_deployment_status == JobDeploymentStatus.INITIALIZING
    name, known = selected_cluster(seen.spec), was.condition(JobConditionType.PROGRESSING)
    if plan is None or not waits or not name or not isinstance(seen.cluster, NoCluster):
        return
    if known is None or known.message != missing(name):
        yield Event("Warning", "RayClusterNotFound", "Validate", missing(name))


def _name(action: Action) -> str:
    return str(getattr(action, "name", "") or getattr(action, "job_id", "") or getattr(action, "cluster", ""))
