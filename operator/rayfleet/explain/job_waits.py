"""What a job waits for, by its status and that of its cluster."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from rayfleet.api.names import HEAD_GROUP
from rayfleet.api.raycluster.status import ConditionType as ClusterCondition
from rayfleet.api.raycluster.status import HeldReason
from rayfleet.api.rayjob.status import JobConditionType, JobDeploymentStatus, RayJobStatus
from rayfleet.autoscaling.words import counted
from rayfleet.explain.explanation import Explanation, UnreadyPod
from rayfleet.explain.job_sources import JobSources
from rayfleet.kinds.rayjob.progress.starting import start_policy
from rayfleet.kube.objects.timestamps import unix_seconds

UNSEEN_SECONDS: Final = 30.0
"""A job that the operator has not taken up after this long is not going to be."""


_REFUSED: Final = "FailedCreateHeadPod"
"""The reason of `ReplicaFailure` for a head that cannot be created."""


class WaitKind(StrEnum):
    """Who or what has to move."""

    OPERATOR = "operator"
    USER = "user"
    CLUSTER = "cluster"
    QUOTA = "quota"
    HEAD = "head"
    PODS = "pods"
    SUBMISSION = "submission"
    RAY = "ray"
    QUEUE = "queue"
    TIME = "time"


class JobWait(NamedTuple):
    """One thing that the job waits for."""

    kind: WaitKind
    words: str
    since: float = 0.0
    """Unix seconds; 0 if that is not known."""


def waits(of: JobSources) -> Iterator[JobWait]:
    """What it waits for; nothing once it has ended."""
    status = of.status
    if of.job.deleting:
        yield JobWait(WaitKind.OPERATOR, "it is being deleted", of.job.deleted)
        return
    match status.job_deployment_status:
        case JobDeploymentStatus.NEW:
            yield from _new(of)
        case JobDeploymentStatus.VALIDATION_FAILED:
            yield JobWait(WaitKind.USER, f"the spec is not valid: {status.message}")
        case JobDeploymentStatus.SUSPENDED:
            yield JobWait(WaitKind.USER, "spec.suspend is true")
        case JobDeploymentStatus.INITIALIZING:
            yield from _for_cluster(of, unix_seconds(status.start_time))
        case JobDeploymentStatus.WAITING:
            yield JobWait(WaitKind.USER, "the job is not submitted: submit it, and set spec.jobId to its id")
        case JobDeploymentStatus.RUNNING:
            yield from _running(of, status)
        case JobDeploymentStatus.SUSPENDING | JobDeploymentStatus.RETRYING:
            yield from _leaving(of, status)
        case _:
            return


def _new(of: JobSources) -> Iterator[JobWait]:
    if of.now - of.job.created >= UNSEEN_SECONDS:
        late = "it has not taken the job up: does it run, and does it watch this namespace?"
        yield JobWait(WaitKind.OPERATOR, late, of.job.created)


def _for_cluster(of: JobSources, since: float) -> Iterator[JobWait]:
    cluster = of.cluster
    if cluster is None:
        yield JobWait(WaitKind.CLUSTER, of.cluster_trouble or "it is being created", since)
        return
    all_workers = start_policy(of.spec, scales=cluster.scaled) == "AllWorkers"
    found = [*_held(cluster), *_head(cluster), *_pods(cluster, all_workers=all_workers)]
    yield from found
    progress = of.status.condition(JobConditionType.PROGRESSING)
    if not found:
        yield JobWait(WaitKind.CLUSTER, progress.message if progress is not None else "it is coming", since)


_QUOTAS: Final = frozenset({HeldReason.QUOTA_EXCEEDED, HeldReason.LIMIT_RANGE, HeldReason.CEILING})


def _held(cluster: Explanation) -> Iterator[JobWait]:
    """Pods that cannot be created."""
    for group in cluster.groups:
        if (held := group.held) is not None:
            kind = WaitKind.QUOTA if held.reason in _QUOTAS else WaitKind.PODS
            words = f"pods of group {group.name} cannot be created: {held.reason}: {held.message}"
            yield JobWait(kind, words, held.since)


def _head(cluster: Explanation) -> Iterator[JobWait]:
    """The head: its pod, or why there is none."""
    heads = [pod for pod in cluster.pending if pod.group == HEAD_GROUP]
    for pod in heads:
        yield JobWait(WaitKind.HEAD, f"{pod.name}: {pod.words}", pod.since)
    absent = [c for c in cluster.conditions if c.type == ClusterCondition.HEAD_POD_READY and not c.holds]
    # That the API server has refused it says more than that there is none.
    refused = [c for c in cluster.conditions if c.reason == _REFUSED and c.holds] if absent else []
    for one in (refused or absent)[:1] if not heads else ():
        yield JobWait(WaitKind.HEAD, ": ".join(filter(None, (one.reason, one.message))), one.since)


def _pods(cluster: Explanation, *, all_workers: bool) -> Iterator[JobWait]:
    """Workers that exist and are not ready, if the job waits for them."""
    workers = [pod for pod in cluster.pending if pod.group != HEAD_GROUP] if all_workers else []
    for (group, words), number in Counter((pod.group, pod.words) for pod in workers).items():
        since = min(pod.since for pod in workers if _is_like(pod, group, words))
        yield JobWait(WaitKind.PODS, f"{counted(number, 'pod')} of group {group}: {words}", since)


def _is_like(pod: UnreadyPod, group: str, words: str) -> bool:
    return (pod.group, pod.words) == (group, words)


def _running(of: JobSources, status: RayJobStatus) -> Iterator[JobWait]:
    silent = unix_seconds(status.job_status_check_failure_start_time)
    if silent:
        progress = status.condition(JobConditionType.PROGRESSING)
        words = progress.message if progress is not None else "its dashboard does not answer"
        yield JobWait(WaitKind.RAY, words, silent)
    elif status.submission.accepted_time is None:
        yield _submission(of, status)
    elif status.job_status == "PENDING":
        since = unix_seconds(status.submission.accepted_time)
        yield JobWait(
            WaitKind.RAY, "the driver has not started: its runtime environment, or room for it", since
        )
    if of.cluster is not None:
        unserved = sum(answer.unserved for answer in of.cluster.answers)
        if unserved or (not of.cluster.known and of.cluster.noted):
            yield JobWait(WaitKind.QUEUE, "some of its work waits for room: see the queue of its cluster")


def _submission(of: JobSources, status: RayJobStatus) -> JobWait:
    """Who has not submitted yet."""
    mode = of.spec.submission_mode if of.spec is not None else "HTTPMode"
    match mode:
        case "K8sJobMode":
            who = f"the Kubernetes Job {of.job.key.name} is to submit it (see its pod)"
        case "SidecarMode":
            who = "the container ray-job-submitter of the head is to submit it"
        case "InteractiveMode":
            who = f"its user is to submit it as {status.job_id}"
        case _:
            who = f"the operator is to submit it as {status.job_id}"
    return JobWait(WaitKind.SUBMISSION, who, unix_seconds(status.submission.sent_time))


def _leaving(of: JobSources, status: RayJobStatus) -> Iterator[JobWait]:
    again = unix_seconds(status.next_attempt_time)
    if again > of.now:
        yield JobWait(WaitKind.TIME, "the wait before the next attempt")
    elif of.cluster is not None:
        yield JobWait(WaitKind.CLUSTER, f"RayCluster {of.cluster.name} of the last attempt has to go first")
