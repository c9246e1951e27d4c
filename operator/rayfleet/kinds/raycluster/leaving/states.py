"""The states of a pod on its way out: what each counts as, which may follow, and what shows it.

**A running worker is drained, not deleted.** When a node is idle and not needed, Ray is asked to drain it. If
the node has just got work, Ray refuses: the pod stays, and Ray is not asked again for a moment. If Ray
accepts, the node drains, takes no new work and dies. Only then is its pod deleted, because `ray start` would
keep it running. So the path is: asked, refused or draining, dead, deleted.

    KEEP -> ASKED -> REFUSED -> KEEP
                  -> DRAINING -> DEAD -> GOING

**No drain is needed**, and the pod goes straight to GOING, if it never joined Ray, its name is in
`workersToDelete`, its group was removed or is too large by `replicas`, or it has ended.

**After a restart of the operator.** States are computed in every pass and never stored. KEEP, COMING,
SETTLING and GOING follow from the pods and Ray's list of nodes, so nothing is lost. ASKED and REFUSED live in
this process. After a restart such a node counts as KEEP, and its drain is requested again if it is still
idle. A draining node counts as KEEP until it is dead. Then Ray reports that it was drained as idle, so its
pod is DEAD at once, without the wait for a node that died on its own. How long a node has been dead is
forgotten, too: that wait begins again, which only delays the delete.

Nothing is MARKED yet. That needs an annotation on the pod, which outlives the process.
"""

from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import NodeStatus, RayView


class Counts(Enum):
    """What a pod counts as in its group's size."""

    ACTIVE = "active"
    """One of the wanted pods."""
    LEAVING = "leaving"
    """Exists, but is no longer wanted: no capacity, and another pod may replace it."""
    PLACE = "place"
    """Of no use, but while it is left there nothing replaces it."""
    NOTHING = "nothing"


class PodState(Enum):
    """Each state with what it counts as, the names of the states that may follow, and its evidence."""

    KEEP = (
        Counts.ACTIVE,
        "COMING MARKED ASKED DEAD SETTLING GOING",
        "a Ray node of its name is not dead; if Ray is not asked, the pod is ready",
    )
    COMING = (
        Counts.ACTIVE,
        "KEEP MARKED DEAD SETTLING GOING",
        "it lives, but has not (re)joined Ray",
    )
    SETTLING = (
        Counts.PLACE,
        "GOING",
        "its Ray container has ended for good, or the pod has; `healing` decides when it is replaced",
    )
    MARKED = (Counts.LEAVING, "KEEP ASKED DEAD SETTLING GOING", "none yet: no pod is marked")
    ASKED = (
        Counts.LEAVING,
        "KEEP COMING REFUSED DRAINING DEAD SETTLING GOING",
        "we asked Ray to drain its node, which still runs",
    )
    REFUSED = (
        Counts.ACTIVE,
        "KEEP COMING DEAD SETTLING GOING",
        "Ray has just refused to drain its node, which is busy",
    )
    DRAINING = (
        Counts.LEAVING,
        "KEEP COMING DEAD SETTLING GOING",
        "we asked Ray to drain its node, and Ray lists it as draining",
    )
    DEAD = (
        Counts.NOTHING,
        "KEEP COMING SETTLING GOING",
        "its Ray node is dead, it has not joined again, and the pod still runs; or its replica lacks a host",
    )
    GOING = (Counts.NOTHING, "", "it has a deletionTimestamp")

    def __init__(self, counts: Counts, follow: str, evidence: str) -> None:
        self.counts = counts
        self.lives = counts in {Counts.ACTIVE, Counts.LEAVING}
        self.follow = frozenset(follow.split())
        self.evidence = evidence


class Reported(NamedTuple):
    """What Ray reports about pods, all by name."""

    joined: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    draining: frozenset[str] = frozenset()
    dead: Collection[str] = ()


NOT_ASKED: Final = Reported()
"""For a cluster that does not scale with its queue."""


def reported_by(ray: RayView, dead: Collection[str]) -> Reported:
    """What `ray` reports about pods; those in `dead` have lost their node for good."""
    if ray.state is None:
        return Reported(dead=dead)
    joined = ray.state.joined
    if not ray.drained and not ray.kept:
        return Reported(joined, dead=dead)
    nodes = ray.state.nodes
    return Reported(
        joined,
        asked=frozenset(node.instance_id for node in nodes if node.node_id in ray.drained),
        refused=frozenset(node.instance_id for node in nodes if node.node_id in ray.kept),
        draining=frozenset(node.instance_id for node in nodes if node.status is NodeStatus.DRAINING),
        dead=dead,
    )


# In Python 3.11 looking up an enum member by name takes as long as the rest of `state_of`.
_KEEP: Final = PodState.KEEP
_COMING: Final = PodState.COMING
SETTLING: Final = PodState.SETTLING
GOING: Final = PodState.GOING


def state_of(pod: Pod, reported: Reported = NOT_ASKED) -> PodState:
    """The state of `pod`. What Kubernetes reports takes precedence over what Ray reports."""
    if pod.deleting:
        return GOING
    if pod.ended:
        return SETTLING
    if reported is NOT_ASKED:
        return _KEEP if pod.ready else _COMING
    name = pod.name
    if name in reported.dead:
        return PodState.DEAD
    if name in reported.asked:
        return PodState.DRAINING if name in reported.draining else PodState.ASKED
    if name in reported.refused:
        return PodState.REFUSED
    return _KEEP if name in reported.joined else _COMING
