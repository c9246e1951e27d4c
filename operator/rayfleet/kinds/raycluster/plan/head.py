"""The head: exactly one.

The head epoch
--------------
Two live heads would be two Ray clusters behind one Service, so there are never two, although the cache may be
old, a request may arrive late, and two operators may both believe that they lead. A head's name is a function
of (cluster uid, epoch); the epoch is a number in the status. Operators A and B, epoch 3:

1. Both see no head, and both create the head of epoch 3. Its name is the same, so the API server accepts one
   create. The other gets 409, which counts as done if the pod there is ours and has the same template.
2. The head is lost. Epoch 4 may begin only when the old head's object is gone or its Ray container has ended
   for good. A head that is being deleted still lives: the next one waits.
3. Before the write, the head that the status names is read by name: it may live on without the label by which
   the watch finds it, or without its owner reference. While it lives, no head is created.
4. Both write epoch 4, guarded by uid and resourceVersion. One write wins. The other gets 409, and its
   operator reads and plans again. Creates follow the write, so epoch 4 has one head, as in step 1.
5. A create of epoch 3 arrives late. Epoch 4 begins only after a head of epoch 3 was seen, so a late create
   usually meets its own name and gets 409. A request is sent only within its leader's term, and times out
   with it. Should an older head appear nevertheless, it is deleted as superseded.
6. The status is wiped or restored from a backup. The current epoch is the highest of the status and all head
   pods, so it never falls below that of an existing head.
"""

from functools import cache, partial

from msgspec import Struct

from rayfleet.api.names import HEAD_GROUP, SIDECAR_MODE, Annotation, Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus
from rayfleet.api.status_model import recorded_number
from rayfleet.kinds.raycluster.actions import AdvanceHeadEpoch, Cause, CreatePod
from rayfleet.kinds.raycluster.healing.lifetime import sort_ended
from rayfleet.kinds.raycluster.leaving.leave import Leave, ended, pod_leaves
from rayfleet.kinds.raycluster.manifests import PodManifest, head_pod, head_pod_name
from rayfleet.kinds.raycluster.manifests.metadata import is_on
from rayfleet.kinds.raycluster.plan.gate import closed
from rayfleet.kinds.raycluster.plan.head_service import is_mistakable
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root


class HeadPlan(Struct, frozen=True):
    """What to do about the head."""

    epoch: int
    exists: bool = False
    """A head lives, or may live."""
    advance: AdvanceHeadEpoch | None = None
    create: CreatePod | None = None
    leaves: tuple[Leave, ...] = ()
    wait: str | None = None
    requeue_after: float | None = None


def plan_head(snapshot: Snapshot, spec: RayClusterSpec) -> HeadPlan:
    """Keep the live head of the highest epoch, or replace it (see "The head epoch")."""
    heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD]
    epoch = current_epoch(snapshot.recorded, heads)
    living = sorted(
        (pod for pod in heads if not pod.ended),
        key=lambda pod: (-(pod.head_epoch or 0), pod.created, pod.name),
    )
    if living:
        leaves = [
            pod_leaves(pod, Cause.SUPERSEDED, "another head is current") for pod in living[1:] if pod.owner
        ]
        leaves += [ended(pod) for pod in heads if pod.ended and pod.owner]
        return HeadPlan(epoch, True, leaves=tuple(leaves), wait=_wait_for(living[0], snapshot.cluster))
    return _replace_head(snapshot, spec, epoch, heads)


def _wait_for(head: Pod, cluster: Root) -> str | None:
    """Why a live head is not as it should be; None if it is."""
    if head.deleting:
        return f"head {head.name} is being deleted; the next one waits until it is gone"
    lost = [] if head.owner is not None else ["its owner reference"]
    if head.labels and dict(head.labels).get(Label.CLUSTER) != cluster.key.name:
        lost.append(f"its label {Label.CLUSTER}")
    if not lost:
        return None
    return f"head {head.name} still runs without {' and '.join(lost)}: restore that, or delete the pod"


def _replace_head(snapshot: Snapshot, spec: RayClusterSpec, epoch: int, old: list[Pod]) -> HeadPlan:
    if _is_the_only_head(snapshot, epoch, old):
        # The ended head stays, with its logs: nothing replaces it.
        wait = f"the head has ended, and {Annotation.NO_HEAD_RESTART} forbids another one"
        return HeadPlan(epoch, wait=wait)
    settling = sort_ended(
        snapshot, HEAD_GROUP, [pod for pod in old if not pod.deleting], lambda p: (p,), "head"
    )
    if settling.left:
        return HeadPlan(epoch, wait=settling.words, requeue_after=settling.later)
    advance = None
    if _has_existed(snapshot, epoch) or any((pod.head_epoch or 0) == epoch for pod in old):
        reason = f"head {old[0].name} has ended" if old else "the head pod is gone"
        advance = AdvanceHeadEpoch(epoch + 1, reason)
    manifest = cache(partial(_manifest, snapshot, spec, epoch if advance is None else advance.epoch))
    shut = closed(snapshot, HEAD_GROUP, lambda: manifest().template_hash)
    if shut is not None:
        return HeadPlan(epoch, wait=shut.words, requeue_after=shut.later)
    epoch = epoch if advance is None else advance.epoch
    create = CreatePod(
        NodeType.HEAD,
        HEAD_GROUP,
        manifest().name,
        manifest().template_hash,
        manifest().body,
        advance.reason if advance else "the cluster has no head",
        Cause.REPLACEMENT if epoch else Cause.MISSING,
    )
    return HeadPlan(epoch, advance=advance, create=create, leaves=tuple(map(ended, old)))


def _manifest(snapshot: Snapshot, spec: RayClusterSpec, epoch: int) -> PodManifest:
    with_uid = is_mistakable(snapshot, spec)
    return head_pod(snapshot.cluster, spec, epoch, snapshot.pod_settings, with_uid=with_uid)


def current_epoch(recorded: RayClusterStatus, heads: list[Pod]) -> int:
    """The highest epoch in the status and the pods; a wiped status is rebuilt from the pods."""
    return max([recorded.head_epoch or 0, *(recorded_number(pod.head_epoch) or 0 for pod in heads)])


def _has_existed(snapshot: Snapshot, epoch: int) -> bool:
    """Whether a head of `epoch` was ever seen: an epoch may have begun before its head was created."""
    return snapshot.recorded.head.pod_name == head_pod_name(snapshot.cluster, epoch)


def _is_the_only_head(snapshot: Snapshot, epoch: int, old: list[Pod]) -> bool:
    """Whether the cluster must not continue under another head.

    That is so once it was provisioned. A head with the submitter of a RayJob may run the job before that, as
    soon as it runs itself; another one would run it again.
    """
    cluster, recorded = snapshot.cluster, snapshot.recorded
    if not is_on(cluster.annotations.get(Annotation.NO_HEAD_RESTART, "")):
        return False
    if recorded.holds(ConditionType.PROVISIONED):
        return True
    # A pod without an address has started no container.
    may_have_run = any(pod.pod_ip for pod in old) or (
        _has_existed(snapshot, epoch) and bool(recorded.head.pod_ip)
    )
    return may_have_run and cluster.labels.get(Label.SUBMISSION_MODE) == SIDECAR_MODE
