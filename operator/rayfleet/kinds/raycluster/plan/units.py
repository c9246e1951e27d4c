"""The units of a group, replicas of 1 to n hosts, by what becomes of them.

The hosts of a replica compute together: one that has lost another is of no use. So a replica that has lost
a host leaves whole and is made anew, while one of which some hosts were never made (the operator was
killed between two creates, or a quota cut it short) is completed. What tells the two apart is the highest n
in the status, which counts whole replicas only: what lies above it has never been part of one. Where that
leaves doubt the replica is made anew.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from operator import attrgetter

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


@dataclass(slots=True)
class Sorted:
    """The units of a group by what becomes of them. What is going already is not among them."""

    settling: Ended[Unit]
    """Those that have ended, and which of them wait to be replaced."""
    leaves: list[Leave]
    """Those that go whatever the size of the group."""
    whole: list[Unit]
    parts: list[Unit] = field(default_factory=list)
    """To be completed."""


def sort_units(
    snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec, pods: Sequence[Pod]
) -> Sorted:
    """The units that `pods`, in any state, are of."""
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
    found, strays = _replicas(pods)
    hosts, recorded = group.num_of_hosts, recorded_index(snapshot, group.group_name)
    flaws = [(unit, _flaw(unit, hosts, requested)) for unit in found]
    over = [unit for unit, why in flaws if why and why[0] is Cause.BROKEN_REPLICA and _has_ended(unit)]
    made = Sorted(sort_ended(snapshot, group.group_name, over, _pods_of, "replica"), strays, [])
    left = {unit.replica for unit in made.settling.left}
    for unit, flaw in flaws:
        if unit.replica in left or all(pod.deleting for pod in unit.pods):
            continue
        if flaw is not None:
            made.leaves.append(Leave(unit, *flaw))
        elif len(unit.pods) == hosts:
            made.whole.append(unit)
        elif _was_never_whole(unit, snapshot.cluster, factory_of(snapshot, spec, group), recorded):
            made.parts.append(unit)
        else:
            made.leaves.append(Leave(unit, Cause.BROKEN_REPLICA, f"host {lacking(unit, hosts)[0]} is gone"))
    return made


def cost(unit: Unit) -> tuple[bool, float, int]:
    """What is lost with a unit: little while it is not all started, else the less the newer it is."""
    pods = unit.pods
    started = all(pod.phase != "Pending" for pod in pods)
    return started, -max(pod.created for pod in pods), -max(pod.index for pod in pods)


def host_of(pod: Pod) -> int:
    """Which host of its replica a pod is, from 0."""
    return 0 if pod.host is None else pod.host.host_index


def lacking(unit: Unit, hosts: int) -> list[int]:
    """The indexes of the hosts, of so many, that are not there."""
    there = set(map(host_of, unit.pods))
    return [index for index in range(hosts) if index not in there]


def factory_of(snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec) -> PodFactory:
    """The pods of `group`; of the last group that was asked for they are built already."""
    made_for = (snapshot.cluster.uid, group.group_name, snapshot.pod_settings)
    build = partial(worker_pods, snapshot.cluster, spec, group, snapshot.pod_settings)
    return snapshot.once("workers", spec, made_for, build)


def broken_replicas(snapshot: Snapshot, spec: RayClusterSpec) -> frozenset[str]:
    """Multi-host replicas that go whole, whatever is decided: they lack a host that they had."""
    broken: set[str] = set()
    for group in spec.worker_group_specs:
        if group.num_of_hosts > 1:
            pods = [pod for pod in snapshot.pods if pod.group == group.group_name]
            made = sort_units(snapshot, spec, group, pods)
            kept = {unit.replica for unit in (*made.whole, *made.parts)}
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
    """Why a replica has to go; none if it need not, though it may lack hosts."""
    named = next((pod.name for pod in unit.pods if pod.active and pod.name in requested), None)
    if named is not None:
        return Cause.REQUESTED, f"{named} is named in workersToDelete"
    for pod in unit.pods:
        state = state_of(pod)
        if state is GOING:
            return Cause.BROKEN_REPLICA, f"host {host_of(pod)} is going"
        if state is SETTLING:
            return Cause.BROKEN_REPLICA, f"host {host_of(pod)} has ended: {end_words(pod) or pod.phase}"
    there = list(map(host_of, unit.pods))
    if len(set(there)) < len(there) or max(there) >= hosts:
        return Cause.BROKEN_REPLICA, f"it has {counted(len(there), 'host')}, {hosts} are wanted"
    return None


def _was_never_whole(unit: Unit, cluster: Root, factory: PodFactory, recorded: int) -> bool:
    """Whether the hosts that it lacks were never made, and may be made now as the others were."""
    firsts = {pod.index - host_of(pod) for pod in unit.pods}
    first = min(firsts)
    if len(firsts) > 1 or any(pod.template_hash != factory.template_hash for pod in unit.pods):
        return False
    if first < 1 or unit.replica != replica_name(cluster, unit.pods[0].group, first):
        return False
    there = set(map(host_of, unit.pods))
    return first + next(index for index in count() if index not in there) > recorded


def recorded_index(snapshot: Snapshot, group: str) -> int:
    """The highest n that a worker of `group` was named with, as the status has it; 0 when it has none."""
    return snapshot.recorded.group(group).last_index or 0


def last_index(snapshot: Snapshot, group: WorkerGroupSpec, pods: Sequence[Pod]) -> int:
    """The highest n of the group to be recorded: of a multi-host one, that of replicas that were whole."""
    counts, hosts = pods, group.num_of_hosts
    if hosts > 1:
        whole = (unit for unit in _replicas(pods)[0] if len(set(map(host_of, unit.pods))) >= hosts)
        counts = [pod for unit in whole for pod in unit.pods]
    return max([recorded_index(snapshot, group.group_name), *(pod.index for pod in counts)])
