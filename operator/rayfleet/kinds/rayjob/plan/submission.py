"""How a job gets into Ray: once for each head of a cluster.

That it is being sent is recorded first, with the head that gets it. A head that does not know the job,
although it was sent there, gets it again: the submission id makes that harmless, since Ray refuses a second
job of the same id. A head that once had the job and no longer knows it has lost it, which ends the attempt:
what has begun to run must not run a second time unnoticed.
"""

from collections.abc import Iterator
from typing import Final

from rayfleet.api.names import Annotation
from rayfleet.api.rayjob.status import Submission
from rayfleet.engine.actions import Action
from rayfleet.engine.conditions import rfc3339
from rayfleet.kinds.rayjob.actions import CreateSubmitter, RecordSubmission, SubmitJob
from rayfleet.kinds.rayjob.manifests.names import submitter_name
from rayfleet.kinds.rayjob.manifests.submission import job_submission
from rayfleet.kinds.rayjob.manifests.submitter import Destination, submitter_job
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, Found, JobSnapshot, JobUnknown, Unreachable, is_meant
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds

LIVELY_SECONDS: Final = 15.0
"""How long after its start a job is asked about often: most that fail do so at once."""


def submission_stages(seen: JobSnapshot) -> Iterator[tuple[Action, ...]]:
    """The stages that bring the job into Ray; none if it is there, or is not to be brought."""
    spec, recorded, cluster = seen.spec, seen.recorded, seen.cluster
    if not seen.is_whole or recorded.submission.accepted_time is not None or not recorded.job_id:
        return
    if not isinstance(cluster, ClusterFacts) or cluster.spec is None or isinstance(seen.answer, Found):
        return
    if cluster.head is None or not cluster.head.active or cluster.deleting or not is_meant(seen, cluster):
        return
    match spec.submission_mode:
        case "HTTPMode" if isinstance(seen.answer, JobUnknown):
            yield from _recorded(seen, cluster, cluster.head)
            submission = job_submission(spec, recorded.job_id)
            where = (cluster.name, cluster.uid, cluster.head_epoch)
            yield (SubmitJob(*where, recorded.job_id, submission, "Ray does not know it"),)
        case "K8sJobMode" if seen.submitter is None and _may_submit(seen, cluster):
            yield from _recorded(seen, cluster, cluster.head)
            yield (_submitter(seen, Destination(cluster.root, cluster.spec, cluster.dashboard)),)
        case _:
            return


def _may_submit(seen: JobSnapshot, cluster: ClusterFacts) -> bool:
    """Whether a submitter may start. On a cluster of others the id may be another job's, which Ray tells."""
    return bool(cluster.dashboard) and (cluster.owned or isinstance(seen.answer, JobUnknown))


def _submitter(seen: JobSnapshot, target: Destination) -> CreateSubmitter:
    body = submitter_job(seen.job, seen.spec, target, seen.recorded.job_id)
    template_hash = body["metadata"]["annotations"][Annotation.TEMPLATE_HASH]
    return CreateSubmitter(submitter_name(seen.job), body, template_hash, "it submits the job")


def is_uncertain(seen: JobSnapshot) -> bool:
    """Whether much may happen to the job within a second: it starts, or just has, or cannot be seen."""
    recorded, answer = seen.recorded, seen.answer
    accepted = recorded.submission.accepted_time
    if accepted is None or answer is None or isinstance(answer, Unreachable):
        return True
    return recorded.job_status != "RUNNING" or seen.now - unix_seconds(accepted) < LIVELY_SECONDS


def _recorded(seen: JobSnapshot, cluster: ClusterFacts, head: Pod) -> Iterator[tuple[Action, ...]]:
    before, here = seen.recorded.submission, (cluster.uid, cluster.head_epoch)
    if (before.cluster_uid, before.head_epoch) != here or before.sent_time is None:
        sent = Submission(cluster_uid=cluster.uid, head_epoch=cluster.head_epoch, sent_time=rfc3339(seen.now))
        yield (RecordSubmission(sent, f"head {head.name} gets the job"),)
