"""How a pod stands on its way out: each state, what it counts as, what may follow, and what shows it.

**A worker that works is asked, not told.** Where a node is idle and not needed, Ray is asked to give it up.
Ray refuses where the node has just got work: the pod stays, and is not asked again for a moment. Or Ray
accepts: the node drains, takes no new work and dies. Only then is its pod deleted, as `ray start` would stand
in it for ever. So the way is: asked, refused or draining, dead, deleted.

    KEEP -> ASKED -> REFUSED -> KEEP
                  -> DRAINING -> DEAD -> GOING

**What needs no asking** goes the short way, to GOING: a pod that never joined Ray, whose name is in
`workersToDelete`, whose group was removed or is too large by `replicas`, or that has ended.

**What a restart of the operator knows.** States are worked out anew in every pass, and stored nowhere.
KEEP, COMING, SETTLING and GOING are read off the pods and Ray's list of nodes: nothing is lost. ASKED and
REFUSED live in this process. After a restart such a node counts as KEEP, and is asked once more if it is
still idle. A node that drains counts as KEEP until it is dead; then Ray says that it was drained as idle, so
its pod is DEAD at once, and not after the time that a pod has whose node died of itself. Since when a node is
dead is forgotten, too: that time begins anew, which only delays the delete.

Nothing is MARKED yet. That needs a note on the pod, which outlives the process.
"""

from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import NodeStatus, RayView


class Counts(Enum):
    """What a pod is for the size of its group."""

    ACTIVE = "active"
    """One of those wanted."""
    LEAVING = "leaving"
    """There, and no longer one of those wanted: no capacity, and another may come in its place."""
    PLACE = "place"
    """Of no use, but while it is left there nothing comes in its place."""
    NOTHING = "nothing"


class PodState(Enum):
    """By name; each has what it counts as, the names of states that may follow, and what shows it."""

    KEEP = (
        Counts.ACTIVE,
        "COMING MARKED ASKED DEAD SETTLING GOING",
        "a Ray node of its name is not dead; where Ray is not asked, the pod is ready",
    )
    COMING = (Counts.ACTIVE, "KEEP MARKED DEAD SETTLING GOING", "it lives, and is not in Ray yet, or anew")
    SETTLING = (
        Counts.PLACE,
        "GOING",
        "its Ray container has ended for good, or the pod has; `healing` says when it is replaced",
    )
    MARKED = (Counts.LEAVING, "KEEP ASKED DEAD SETTLING GOING", "none yet: no pod is marked")
    ASKED = (
        Counts.LEAVING,
        "KEEP COMING REFUSED DRAINING DEAD SETTLING GOING",
        "we asked Ray to give its node up, which goes on for now",
    )
    REFUSED = (
        Counts.ACTIVE,
        "KEEP COMING DEAD SETTLING GOING",
        "Ray has just refused to give its node up, as it is busy",
    )
    DRAINING = (
        Counts.LEAVING,
        "KEEP COMING DEAD SETTLING GOING",
        "we asked Ray to give its node up, and Ray's list has it as draining",
    )
    DEAD = (
        Counts.NOTHING,
        "KEEP COMING SETTLING GOING",
        "its Ray node is dead, no other has come, and the pod lives on; or it lacks a host of its replica",
    )
    GOING = (Counts.NOTHING, "", "it has a deletionTimestamp")

    def __init__(self, counts: Counts, follow: str, evidence: str) -> None:
        self.counts = counts
        self.lives = counts in {Counts.ACTIVE, Counts.LEAVING}
        self.follow = frozenset(follow.split())
        self.evidence = evidence


class Said(NamedTuple):
    """What Ray says of pods, all by name."""

    joined: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    draining: frozenset[str] = frozenset()
    dead: Collection[str] = ()


NOT_ASKED: Final = Said()
"""Of a cluster that does not scale with its queue."""


def said_by(ray: RayView, dead: Collection[str]) -> Said:
    """What `ray` says of pods, of which those `dead` have lost their node for good."""
    if ray.state is None:
        return Said(dead=dead)
    joined = ray.state.joined
    if not ray.drained and not ray.kept:
        return Said(joined, dead=dead)
    nodes = ray.state.nodes
    return Said(
        joined,
        asked=frozenset(node.instance_id for node in nodes if node.node_id in ray.drained),
        refused=frozenset(node.instance_id for node in nodes if node.node_id in ray.kept),
        draining=frozenset(node.instance_id for node in nodes if node.status is NodeStatus.DRAINING),
        dead=dead,
    )


# A look at a member of an enum by its name takes as long in Python 3.11 as all the rest of `state_of`.
_KEEP: Final = PodState.KEEP
_COMING: Final = PodState.COMING
SETTLING: Final = PodState.SETTLING
GOING: Final = PodState.GOING


def state_of(pod: Pod, said: Said = NOT_ASKED) -> PodState:
    """How `pod` stands. What Kubernetes says counts before what Ray says."""
    if pod.deleting:
        return GOING
    if pod.ended:
        return SETTLING
    if said is NOT_ASKED:
        return _KEEP if pod.ready else _COMING
    name = pod.name
    if name in said.dead:
        return PodState.DEAD
    if name in said.asked:
        return PodState.DRAINING if name in said.draining else PodState.ASKED
    if name in said.refused:
        return PodState.REFUSED
    return _KEEP if name in said.joined else _COMING
