"""What leaves, why, and by which actions.

The rules that find a reason only say what leaves and why. Only this module decides how: an idle node is
drained, and a pod in which Ray does no work is deleted.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.kinds.raycluster.actions import Cause, DeletePod, DrainNode
from rayfleet.kinds.raycluster.leaving.states import GOING, SETTLING, state_of
from rayfleet.kinds.raycluster.pod_words import end_words
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import RayView


class Unit(NamedTuple):
    """What leaves whole: a replica of 1 to n hosts, or a head."""

    pods: tuple[Pod, ...]
    replica: str = ""
    """The name of a replica of several hosts."""


class Leave(Struct, frozen=True):
    """A unit that leaves."""

    unit: Unit
    cause: Cause
    reason: str
    nodes: tuple[tuple[str, bytes], ...] = ()
    """Idle Ray nodes that are drained first, with their pods' names."""
    window: float = 0.0
    """Seconds that running work has to end. Always 0 so far: busy nodes are not drained."""
    deadline: float | None = None
    """When it must be gone, Unix seconds; None if nothing forces it."""


class Steps(NamedTuple):
    """The actions by which units leave."""

    deletes: tuple[DeletePod, ...]
    drains: tuple[DrainNode, ...]


def pod_leaves(pod: Pod, cause: Cause, reason: str) -> Leave:
    """A pod that leaves on its own, not as part of a replica."""
    return Leave(Unit((pod,)), cause, reason)


def ended(pod: Pod) -> Leave:
    """A pod that leaves because Ray no longer runs in it."""
    return pod_leaves(pod, Cause.ENDED, end_words(pod) or "ended")


def steps(leaves: Iterable[Leave], ray: RayView | None = None) -> Steps:
    """The actions to take now, in the order of `leaves`.

    Ray is not asked twice to drain a node, nor again just after it refused. Nothing is deleted twice.
    """
    asked = ray.drained | ray.kept.keys() if ray is not None else frozenset()
    deletes, drains = list[DeletePod](), list[DrainNode]()
    for leave in leaves:
        pods = leave.unit.pods
        if leave.nodes:
            nodes = [(pod, node_id) for pod, node_id in leave.nodes if node_id not in asked]
            drains += [DrainNode(pods[0].group, pod, node_id, leave.reason) for pod, node_id in nodes]
        else:
            deletes += [_delete(pod, leave) for pod in pods if state_of(pod) is not GOING]
    return Steps(tuple(deletes), tuple(drains))


def _delete(pod: Pod, leave: Leave) -> DeletePod:
    replica, cause, reason = leave.unit.replica, leave.cause, leave.reason
    if replica and state_of(pod) is SETTLING:
        cause, reason = Cause.ENDED, end_words(pod) or "ended"
    elif replica:
        reason = f"replica {replica}: {reason}"
    group = HEAD_GROUP if pod.node_type == NodeType.HEAD else pod.group
    return DeletePod(pod.node_type, group, pod.name, pod.uid, cause, reason, replica)
