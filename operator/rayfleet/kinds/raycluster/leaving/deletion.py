"""A cluster that is being deleted: its children go with it, unless a finalizer of KubeRay's holds it.

That finalizer waits for a job that cleans up Redis, which this operator does not run: it would hold the
cluster for ever, and its pods with it. So its pods go first, as they write to Redis, and then the finalizer;
what is left in Redis is said.
"""

from typing import Final

from rayfleet.api.names import Annotation, Finalizer
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause, Plan, RemoveFinalizer
from rayfleet.kinds.raycluster.leaving.leave import pod_leaves, steps
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.roots import Root

PODS_SECONDS: Final = 300
"""How long a deleted cluster waits for its pods, where no annotation says otherwise: a pod on a node that is
gone never ends."""
_LONGEST_SECONDS: Final = 86_400
_LONGEST_NAME: Final = 253


def plan_deletion(snapshot: Snapshot) -> Plan:
    """Pods first, then the finalizer; without that there is nothing to do."""
    cluster = snapshot.cluster
    if Finalizer.REDIS_CLEANUP not in cluster.finalizers:
        return Plan(waits=("the cluster is being deleted; its children go with it",))
    if Finalizer.ORPHAN in cluster.finalizers:  # Its pods are to stay, and are about to be nobody's.
        return _without_finalizer(
            cluster, "its pods stay, as they are to be orphaned, and go on writing to it"
        )
    left = cluster.deleted + _pods_seconds(cluster) - snapshot.now
    if not snapshot.pods or left <= 0:
        count = len(snapshot.pods)
        late = f"{counted(count, 'pod')} had not ended by then" if count else ""
        return _without_finalizer(cluster, late)
    leaves = (pod_leaves(pod, Cause.CLUSTER_DELETED, "the cluster is deleted") for pod in snapshot.pods)
    waits = (f"the cluster is being deleted; {len(snapshot.pods)} of its pods have to end first",)
    return Plan(deletes=steps(leaves).deletes, waits=waits, requeue_after=left)


def _without_finalizer(cluster: Root, besides: str) -> Plan:
    words = (
        f"what Redis holds for this cluster, under the name {_storage_name(cluster)}, was not deleted:"
        " delete its keys there"
    )
    reason = f"{words}; {besides}" if besides else words
    return Plan(stages=((RemoveFinalizer(Finalizer.REDIS_CLEANUP, reason),),))


def _pods_seconds(cluster: Root) -> int:
    text = cluster.annotations.get(Annotation.FT_DELETION_TIMEOUT, "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LONGEST_SECONDS)) else 0
    return min(number, _LONGEST_SECONDS) or PODS_SECONDS


def _storage_name(cluster: Root) -> str:
    """Under which the cluster's state is kept: as was asked for, else the uid; of a spec of any shape."""
    options = cluster.spec.get("gcsFaultToleranceOptions")
    stated = options.get("externalStorageNamespace") if isinstance(options, dict) else None
    named = stated or cluster.annotations.get(Annotation.EXTERNAL_STORAGE_NAMESPACE) or cluster.uid
    return str(named)[:_LONGEST_NAME]
