"""The conditions of a job, so that `kubectl wait --for=condition=Complete` works, and says why it waits."""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from rayfleet.api.raycluster.status import ConditionType
from rayfleet.api.rayjob import account
from rayfleet.api.rayjob.status import JobConditionType, JobDeploymentStatus, RayJobStatus
from rayfleet.autoscaling.words import counted
from rayfleet.engine.conditions import Condition, rfc3339
from rayfleet.kinds.rayjob.plan.cleanup import left_to_do, rules
from rayfleet.kinds.rayjob.progress.attempts import may_reuse
from rayfleet.kinds.rayjob.progress.stranded import mending_left
from rayfleet.kinds.rayjob.snapshot import (
    ClusterFacts,
    JobSnapshot,
    JobUnknown,
    NoCluster,
    Unreachable,
    selected_cluster,
)

OURS: Final = frozenset(JobConditionType)


def conditions(seen: JobSnapshot, status: RayJobStatus) -> Iterator[Condition]:
    """The conditions that go with a status."""
    yield _valid(seen, status)
    reason, message = progress(seen, status)
    at_work = status.job_deployment_status not in _AT_REST
    yield Condition(JobConditionType.PROGRESSING, at_work, reason, message)
    is_complete = status.job_deployment_status == JobDeploymentStatus.COMPLETE
    yield Condition(
        JobConditionType.COMPLETE, is_complete, _result(status), status.message if is_complete else ""
    )
    has_failed = status.job_deployment_status == JobDeploymentStatus.FAILED
    cause = status.verdict.cause or status.reason or "Failed"
    yield Condition(
        JobConditionType.FAILED,
        has_failed,
        cause if has_failed else "NotFailed",
        status.message if has_failed else "",
    )
    if status.has_ended:
        yield _held(seen, status)


_AT_REST: Final = frozenset(
    {
        JobDeploymentStatus.COMPLETE,
        JobDeploymentStatus.FAILED,
        JobDeploymentStatus.SUSPENDED,
        JobDeploymentStatus.VALIDATION_FAILED,
    }
)


def progress(seen: JobSnapshot, status: RayJobStatus) -> tuple[str, str]:
    """How far the job is, in a word, and what it waits for, in a sentence."""
    state = status.job_deployment_status or "New"
    match state:
        case JobDeploymentStatus.INITIALIZING:
            return state, _cluster_words(seen, status)
        case JobDeploymentStatus.WAITING:
            return state, "The cluster is ready; submit the job, and set spec.jobId to its id"
        case JobDeploymentStatus.RUNNING:
            return state, _running_words(seen, status)
        case JobDeploymentStatus.SUSPENDING | JobDeploymentStatus.RETRYING:
            return state, _leaving_words(seen, status)
        case JobDeploymentStatus.SUSPENDED:
            return state, "spec.suspend is true"
        case JobDeploymentStatus.VALIDATION_FAILED:
            return state, "The job begins once its spec is valid"
        case _:
            return state, ""


def _cluster_words(seen: JobSnapshot, status: RayJobStatus) -> str:
    cluster, name = seen.cluster, status.ray_cluster_name
    if mending_left(seen, status) is not None:
        return "The job cannot start before its spec is valid again: its last valid spec is not known"
    if not isinstance(cluster, ClusterFacts):
        if not selected_cluster(seen.spec):
            return f"RayCluster {name} is being created"
        return missing(name) if isinstance(cluster, NoCluster) else f"The job waits for RayCluster {name}"
    unmet = [c for c in cluster.status.conditions if c.type == ConditionType.READY and not c.holds]
    held = [f"group {g.group_name}: {g.message}" for g in cluster.status.worker_groups if g.reason]
    why = "; ".join([*held, *(c.message for c in unmet if c.message)])
    return f"RayCluster {name} is coming{f': {why}' if why else ''}"


def missing(name: str) -> str:
    """That a selected cluster does not exist."""
    return f"RayCluster {name} does not exist; the job waits for it"


def _running_words(seen: JobSnapshot, status: RayJobStatus) -> str:
    answer = seen.answer
    if isinstance(answer, Unreachable):
        return f"Ray's dashboard cannot be asked: {answer.why}"
    if status.submission.accepted_time is None:
        waits = isinstance(answer, JobUnknown) or seen.submitter is not None
        return f"Job {status.job_id} is being submitted" if waits else "The dashboard is starting"
    return f"Job {status.job_id} is {status.job_status or 'submitted'}"


def _leaving_words(seen: JobSnapshot, status: RayJobStatus) -> str:
    retries = status.job_deployment_status == JobDeploymentStatus.RETRYING
    stays = retries and may_reuse(replace(seen, job=replace(seen.job, status=status.wire)))
    there = []
    if isinstance(seen.cluster, ClusterFacts) and seen.cluster.owned and not stays:
        there.append(f"RayCluster {seen.cluster.name}")
    if seen.submitter is not None:
        there.append(f"Job {seen.submitter.name}")
    if there:
        return f"{' and '.join(there)} must go first"
    if status.next_attempt_time is not None:
        where = ", on the same cluster" if stays else ""
        return f"The next attempt begins at {status.next_attempt_time}{where}"
    return ""


def _valid(seen: JobSnapshot, status: RayJobStatus) -> Condition:
    if not seen.violations:
        return Condition(JobConditionType.VALID, True, "Valid")
    goes_on = ""
    if seen.is_whole:
        goes_on = " Until it is mended, the job goes on by its last valid spec."
    elif status.ray_cluster_name and mending_left(seen, status) is None:
        goes_on = " Until it is mended, the job goes on and ends by the rules of its last valid spec."
    elif status.ray_cluster_name:
        goes_on = " Until it is mended, the job cannot start."
    return Condition(JobConditionType.VALID, False, "InvalidSpec", f"{account(seen.violations)}{goes_on}")


def _result(status: RayJobStatus) -> str:
    if status.job_deployment_status != JobDeploymentStatus.COMPLETE:
        return "NotComplete"
    return {"SUCCEEDED": "Succeeded", "STOPPED": "Stopped"}.get(status.job_status, "Complete")


def _held(seen: JobSnapshot, status: RayJobStatus) -> Condition:
    """Whether the cluster is still there, and for how long."""
    cluster, kind = seen.cluster, JobConditionType.RESOURCES_HELD
    if not isinstance(cluster, ClusterFacts) or not cluster.owned:
        return Condition(kind, False, "NothingHeld")
    if cluster.deleting:
        return Condition(kind, True, "Going", f"RayCluster {cluster.name} is going")
    held = f"RayCluster {cluster.name} holds {counted(cluster.gpus, 'GPU')}"
    coming = min(left_to_do(seen, status), key=lambda rule: rule.at, default=None)
    if coming is not None:
        until = rfc3339(coming.at)
        return Condition(kind, True, "Kept", f"{held} until {until} ({coming.reason})")
    done = next(rules(seen.spec, status), None)
    if done is not None:
        return Condition(kind, True, "KeptByRule", f"{held}, and stays ({done.reason})")
    has_rules = seen.spec.deletion_strategy is not None
    remedy = "add a rule for this end" if has_rules else "set shutdownAfterJobFinishes or a deletionStrategy"
    message = f"{held}, and no rule deletes it: {remedy}, or delete the RayJob"
    return Condition(kind, True, "NoRule", message)
