"""The units of a group, replicas of 1 to n hosts, sorted by what is done with them.

The hosts of a replica compute together: without one of them the others are useless. So a replica that has
lost a host leaves whole and is recreated, while one of which some hosts were never created (the operator was
killed between two creates, or a quota stopped it) is completed. The highest n in the status tells the two
apart: it counts whole replicas only, so a pod above it has never been part of one. In doubt the replica is
recreated.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import count
from operator import attrgetter

from msgspec import Struct, field

from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause
from rayfleet.kinds.raycluster.healing.lifetime import Ended, sort_ended
from rayfleet.kinds.raycluster.leaving.leave import Leave, Unit, ended, pod_leaves
from rayfleet.kinds.raycluster.leaving.states import GOING, SETTLING, state_of
from rayfleet.kinds.raycluster.manifests import PodFactory, replica_name, worker_pods
from rayfleet.kinds.raycluster.pod_words import end_words
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root

_pods_of = attrgetter("pods")


class Sorted(Struct):
    """The units of a group by what is done with them, without those being deleted."""

    settling: Ended[Unit]
    """Ended units, and which of them wait to be replaced."""
    leaves: list[Leave]
    """Units that leave whatever the size of the group."""
    whole: list[Unit]
    parts: list[Unit] = field(default_factory=list)
    """Units to complete."""


def sort_units(
    snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec, pods: Sequence[Pod]
) -> Sorted:
    """The units that `pods`, in any state, belong to."""
    requested = frozenset(group.scale_strategy.workers_to_delete)
    if group.num_of_hosts == 1:
        return _sort_pods(snapshot, group, pods, requested)
    return _sort_replicas(snapshot, spec, group, pods, requested)


def _sort_pods(
    snapshot: Snapshot, group: WorkerGroupSpec, pods: Sequence[Pod], requested: AbstractSet[str]
) -> Sorted:
    whole, over, named = list[Unit](), list[Unit](), list[Leave]()
    for pod in pods:
        state = state_of(pod)
        if state is SETTLING:
            over.append(Unit((pod,)))
        elif state is not GOING and pod.name in requested:
            named.append(pod_leaves(pod, Cause.REQUESTED, "named in workersToDelete"))
        elif state is not GOING:
            whole.append(Unit((pod,)))
    settling = sort_ended(snapshot, group.group_name, over, _pods_of, "pod")
    return Sorted(settling, [*(ended(unit.pods[0]) for unit in settling.due), *named], whole)


def _sort_replicas(
    snapshot: Snapshot,
    spec: RayClusterSpec,
    group: WorkerGroupSpec,
    pods: Sequence[Pod],
    requested: AbstractSet[str],
) -> Sorted:
    replicas, strays = _replicas(pods)
    hosts, recorded = group.num_of_hosts, recorded_index(snapshot, group.group_name)
    flaws = [(unit, _flaw(unit, hosts, requested)) for unit in replicas]
    over = [unit for unit, why in flaws if why and why[0] is Cause.BROKEN_REPLICA and _has_ended(unit)]
    units = Sorted(sort_ended(snapshot, group.group_name, over, _pods_of, "replica"), strays, [])
    left = {unit.replica for unit in units.settling.left}
    for unit, flaw in flaws:
        if unit.replica in left or all(pod.deleting for pod in unit.pods):
            continue
        if flaw is not None:
            units.leaves.append(Leave(unit, *flaw))
        elif len(unit.pods) == hosts:
            units.whole.append(unit)
        elif _was_never_whole(unit, snapshot.cluster, factory_of(snapshot, spec, group), recorded):
            units.parts.append(unit)
        else:
            units.leaves.append(Leave(unit, Cause.BROKEN_REPLICA, f"host {lacking(unit, hosts)[0]} is gone"))
    return units


def cost(unit: Unit) -> tuple[bool, float, int]:
    """The cost of losing a unit: low until all of it has started, then lower the newer it is."""
    pods = unit.pods
    started = all(pod.phase != "Pending" for pod in pods)
    return started, -max(pod.created for pod in pods), -max(pod.index for pod in pods)


def host_of(pod: Pod) -> int:
    """The index of a pod's host in its replica, from 0."""
    return 0 if pod.host is None else pod.host.host_index


def lacking(unit: Unit, hosts: int) -> list[int]:
    """The indexes of the missing hosts, out of `hosts`."""
    there = set(map(host_of, unit.pods))
    return [index for index in range(hosts) if index not in there]


def factory_of(snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec) -> PodFactory:
    """The pod factory of `group`; that of the group asked for last is kept."""
    made_for = (snapshot.cluster.uid, group.group_name, snapshot.pod_settings)
    build = partial(worker_pods, snapshot.cluster, spec, group, snapshot.pod_settings)
    return snapshot.once("workers", spec, made_for, build)


def broken_replicas(snapshot: Snapshot, spec: RayClusterSpec) -> frozenset[str]:
    """Multi-host replicas that leave whole whatever is decided, because they have lost a host."""
    broken: set[str] = set()
    for group in spec.worker_group_specs:
        if group.num_of_hosts > 1:
            pods = [pod for pod in snapshot.pods if pod.group == group.group_name]
            units = sort_units(snapshot, spec, group, pods)
            kept = {unit.replica for unit in (*units.whole, *units.parts)}
            broken |= {pod.host.replica for pod in pods if pod.host is not None} - kept
    return frozenset(broken)


def _has_ended(unit: Unit) -> bool:
    return any(state_of(pod) is SETTLING for pod in unit.pods)


def _replicas(pods: Sequence[Pod]) -> tuple[list[Unit], list[Leave]]:
    """The replicas, oldest first, and the pods that belong to none, which leave."""
    by_name: dict[str, list[Pod]] = {}
    strays = []
    for pod in pods:
        if pod.host is not None:
            by_name.setdefault(pod.host.replica, []).append(pod)
        else:
            strays.append(pod_leaves(pod, Cause.BROKEN_REPLICA, "it belongs to no replica"))
    return [Unit(tuple(hosts), name) for name, hosts in by_name.items()], strays


def _flaw(unit: Unit, hosts: int, requested: AbstractSet[str]) -> tuple[Cause, str] | None:
    """Why a replica must leave; None if it need not, although it may lack hosts."""
    named = next((pod.name for pod in unit.pods if pod.active and pod.name in requested), None)
    if named is not None:
        return Cause.REQUESTED, f"{named} is named in workersToDelete"
    for pod in unit.pods:
        state = state_of(pod)
        if state is GOING:
            return Cause.BROKEN_REPLICA, f"host {host_of(pod)} is being deleted"
        if state is SETTLING:
            return Cause.BROKEN_REPLICA, f"host {host_of(pod)} has ended: {end_words(pod) or pod.phase}"
    present = list(map(host_of, unit.pods))
    if len(set(present)) < len(present) or max(present) >= hosts:
        return Cause.BROKEN_REPLICA, f"it has {counted(len(present), 'host')}, {hosts} are wanted"
    return None


def _was_never_whole(unit: Unit, cluster: Root, factory: PodFactory, recorded: int) -> bool:
    """Whether its missing hosts were never created, and can be created now like the others."""
    firsts = {pod.index - host_of(pod) for pod in unit.pods}
    first = min(firsts)
    if len(firsts) > 1 or any(pod.template_hash != factory.template_hash for pod in unit.pods):
        return False
    if first < 1 or unit.replica != replica_name(cluster, unit.pods[0].group, first):
        return False
    there = set(map(host_of, unit.pods))
    return first + next(index for index in count() if index not in there) > recorded


def recorded_index(snapshot: Snapshot, group: str) -> int:
    """The highest n in the name of a worker of `group`, as recorded in the status; 0 if none is."""
    return snapshot.recorded.group(group).last_index or 0


def last_index(snapshot: Snapshot, group: WorkerGroupSpec, pods: Sequence[Pod]) -> int:
    """The highest n of the group, to be recorded; in a multi-host group only that of whole replicas."""
    counts, hosts = pods, group.num_of_hosts
    if hosts > 1:
        whole = (unit for unit in _replicas(pods)[0] if len(set(map(host_of, unit.pods))) >= hosts)
        counts = [pod for unit in whole for pod in unit.pods]
    return max([recorded_index(snapshot, group.group_name), *(pod.index for pod in counts)])
