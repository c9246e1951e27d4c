"""The cluster of an attempt, and the Service that always leads to its head: made, and taken away."""

from collections.abc import Iterator

from rayfleet.api.names import Finalizer, is_object_name
from rayfleet.api.rayjob.status import JobDeploymentStatus
from rayfleet.engine.actions import Action
from rayfleet.kinds.rayjob.actions import (
    AddJobFinalizer,
    CreateCluster,
    CreateJobService,
    DeleteCluster,
    DeleteSubmitter,
    PatchJobService,
)
from rayfleet.kinds.rayjob.manifests.cluster import child_cluster
from rayfleet.kinds.rayjob.manifests.head_service import job_head_service, pointed_at
from rayfleet.kinds.rayjob.manifests.names import service_name
from rayfleet.kinds.rayjob.progress.attempts import may_reuse
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, NoCluster, selected_cluster


def cluster_actions(seen: JobSnapshot) -> Iterator[Action]:
    """What the attempt lacks of its cluster, or to use one that stays when the job goes."""
    spec, recorded, name = seen.spec, seen.recorded, seen.recorded.ray_cluster_name
    if selected_cluster(spec):
        if Finalizer.RAYJOB not in seen.job.finalizers:
            yield AddJobFinalizer("its cluster stays when it goes")
        return
    is_to_make = isinstance(seen.cluster, NoCluster) and recorded.submission.accepted_time is None
    if is_to_make and seen.is_whole and is_object_name(name):
        body = child_cluster(seen.job, spec, name, recorded.job_id)
        yield CreateCluster(name, body, f"attempt {recorded.attempt} needs it")


def service_actions(seen: JobSnapshot) -> Iterator[Action]:
    """What the Service lacks to lead to the head of the present attempt; nobody waits for it."""
    service, job, cluster = seen.service, seen.job, seen.cluster
    if not isinstance(cluster, ClusterFacts) or not cluster.owned or cluster.spec is None:
        return
    if service is None:
        body = job_head_service(job, cluster.root, cluster.spec)
        yield CreateJobService(service_name(job), body, "it leads to the head of the present attempt")
        return
    changes = pointed_at(job, cluster.root, cluster.spec)
    if dict(service.selector) != changes["spec"]["selector"]:
        yield PatchJobService(
            service.name, service.uid, changes, f"attempt {seen.recorded.attempt} has another head"
        )


def stray_submitter(seen: JobSnapshot) -> Iterator[Action]:
    """A submitter of an earlier attempt, of whose creation was not heard in time: it submits another job.

    That of this attempt comes only after it is recorded that the job is being sent.
    """
    recorded, submitter = seen.recorded, seen.submitter
    is_begun_by_us = recorded.attempt is not None
    if submitter is None or submitter.deleting or not is_begun_by_us:
        return
    if recorded.submission.sent_time is None and recorded.submission.accepted_time is None:
        yield DeleteSubmitter(submitter.name, submitter.uid, "it is of an earlier attempt")


def leaving_actions(seen: JobSnapshot) -> Iterator[Action]:
    """What of an attempt has to go before the next one, or before the job is suspended."""
    recorded, cluster, submitter = seen.recorded, seen.cluster, seen.submitter
    suspends = recorded.job_deployment_status == JobDeploymentStatus.SUSPENDING
    reason = "the job is suspended" if suspends else f"attempt {recorded.attempt} is over"
    keeps = not suspends and may_reuse(seen)
    if isinstance(cluster, ClusterFacts) and cluster.owned and not cluster.deleting and not keeps:
        yield DeleteCluster(cluster.name, cluster.uid, reason)
    if submitter is not None and not submitter.deleting:
        yield DeleteSubmitter(submitter.name, submitter.uid, reason)
