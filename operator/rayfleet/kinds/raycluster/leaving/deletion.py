"""A cluster that is being deleted: its children go with it, unless a finalizer of KubeRay holds it.

That finalizer waits for a job that cleans up Redis, which this operator does not run: it would hold the
cluster and its pods indefinitely. So the pods are deleted first, because they write to Redis, and then the
finalizer is removed; an event says what is left in Redis.
"""

from typing import Final

from rayfleet.api.names import Annotation, Finalizer
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause, Plan, RemoveFinalizer
from rayfleet.kinds.raycluster.leaving.leave import pod_leaves, steps
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.roots import Root

PODS_SECONDS: Final = 300
"""How long a deleted cluster waits for its pods, unless an annotation says otherwise: a pod on a lost node
never ends."""
_LONGEST_SECONDS: Final = 86_400
_LONGEST_NAME: Final = 253


def plan_deletion(snapshot: Snapshot) -> Plan:
    """Pods first, then the finalizer; without it there is nothing to do."""
    cluster = snapshot.cluster
    if Finalizer.REDIS_CLEANUP not in cluster.finalizers:
        return Plan(waits=("the cluster is being deleted; its children go with it",))
    if Finalizer.ORPHAN in cluster.finalizers:  # Its pods stay and are about to lose their owner.
        return _without_finalizer(cluster, "its pods are orphaned, so they stay and keep writing to it")
    left = cluster.deleted + _pods_seconds(cluster) - snapshot.now
    if not snapshot.pods or left <= 0:
        count = len(snapshot.pods)
        late = f"{counted(count, 'pod')} had not ended by then" if count else ""
        return _without_finalizer(cluster, late)
    leaves = (pod_leaves(pod, Cause.CLUSTER_DELETED, "the cluster is deleted") for pod in snapshot.pods)
    waits = (f"the cluster is being deleted; {_pods_must(len(snapshot.pods))} end first",)
    return Plan(deletes=steps(leaves).deletes, waits=waits, requeue_after=left)


def _pods_must(count: int) -> str:
    return "1 of its pods has to" if count == 1 else f"{count} of its pods have to"


def _without_finalizer(cluster: Root, addition: str) -> Plan:
    message = (
        f"this cluster's data in Redis, under the name {_storage_name(cluster)}, was not deleted:"
        " delete its keys there"
    )
    reason = f"{message}; {addition}" if addition else message
    return Plan(stages=((RemoveFinalizer(Finalizer.REDIS_CLEANUP, reason),),))


def _pods_seconds(cluster: Root) -> int:
    text = cluster.annotations.get(Annotation.FT_DELETION_TIMEOUT, "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LONGEST_SECONDS)) else 0
    return min(number, _LONGEST_SECONDS) or PODS_SECONDS


def _storage_name(cluster: Root) -> str:
    """The name under which Redis keeps the cluster's state: the requested one, else the uid."""
    options = cluster.spec.get("gcsFaultToleranceOptions")
    stated = options.get("externalStorageNamespace") if isinstance(options, dict) else None
    named = stated or cluster.annotations.get(Annotation.EXTERNAL_STORAGE_NAMESPACE) or cluster.uid
    return str(named)[:_LONGEST_NAME]
