"""The replicas of a multi-host group: each of several pods, planned whole or not at all.

The hosts of a replica compute together: one that has lost another is of no use. So a replica that has lost
a host is deleted whole and made anew, while one of which some hosts were never made (the operator was
killed between two creates, or a quota cut it short) is completed. What tells the two apart is the highest n
in the status, which counts whole replicas only: what lies above it has never been part of one. Where that
leaves doubt the replica is made anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import count, islice

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause, CreatePod, desired_replicas
from rayfleet.kinds.raycluster.healing.lifetime import Ended, sort_ended
from rayfleet.kinds.raycluster.leaving.leave import Leave, Unit, pod_leaves
from rayfleet.kinds.raycluster.leaving.states import GOING, SETTLING, state_of
from rayfleet.kinds.raycluster.manifests import PodFactory, Replica, replica_name, worker_pods
from rayfleet.kinds.raycluster.plan.limits import MOST_CREATES
from rayfleet.kinds.raycluster.plan.workers import Scaled, WorkersPlan, recorded_index
from rayfleet.kinds.raycluster.pod_words import end_words
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root

AFTER_DELETES = 0.05
"""Seconds from the deletes of a broken replica to the pass that makes it anew: never both in one pass, as
that could take the group above its size."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The pods of one replica, in any state, by host."""

    name: str
    pods: tuple[tuple[Host, Pod], ...]

    def lacking(self, hosts: int) -> list[int]:
        """The indexes of the hosts, of so many, that are not there."""
        there = {host.host_index for host, _ in self.pods}
        return [index for index in range(hosts) if index not in there]


def _cost(replica: _Found) -> tuple[bool, float, int]:
    """What is lost with a replica: little while it is not all started, else the less the newer it is."""
    pods = [pod for _, pod in replica.pods]
    started = all(pod.phase != "Pending" for pod in pods)
    return started, -max(pod.created for pod in pods), -max(pod.index for pod in pods)


@dataclass(slots=True)
class _Sorted:
    """The replicas of a group by what becomes of them."""

    whole: list[_Found] = field(default_factory=list)
    parts: list[_Found] = field(default_factory=list)
    """To be completed."""
    settling: Ended[_Found] = field(default_factory=Ended)
    """Those that ended soon after their start, and wait to be replaced."""
    leaves: list[Leave] = field(default_factory=list)


def plan_replicas(
    snapshot: Snapshot,
    spec: RayClusterSpec,
    group: WorkerGroupSpec,
    pods: Sequence[Pod],
    scaled: Scaled | None = None,
) -> WorkersPlan:
    """Bring `group`, whose pods (in any state) are `pods`, to its number of whole replicas."""
    factory = cache(lambda: worker_pods(snapshot.cluster, spec, group, snapshot.pod_settings))
    made = _sort(snapshot, group, pods, factory)
    there = [*sorted(made.parts, key=_cost), *sorted(made.whole, key=_cost)]
    if scaled is None:
        desired = desired_replicas(group)
        surplus = there[: max(len(there) - desired, 0)]
        words = f"{counted(len(there), 'replica')}, {desired} wanted"
        made.leaves += [_leaves(replica, Cause.SURPLUS, words) for replica in surplus]
        missing = desired - len(there)
    else:
        going = [(replica, why) for replica in there if (why := _going(replica, scaled))]
        surplus = [replica for replica, _ in going]
        made.leaves += [_leaves(replica, *why) for replica, why in going]
        missing = scaled.launches
    making = _Making(
        snapshot,
        group,
        factory,
        pods,
        parts=[part for part in made.parts if part not in surplus],
        missing=max(missing - len(made.settling.left), 0),
    )
    settling = made.settling
    plan = WorkersPlan((), tuple(made.leaves), settling.words or None, settling.later)
    return _with_creates(making, plan) if making.parts or making.missing else plan


def broken_replicas(snapshot: Snapshot, spec: RayClusterSpec) -> frozenset[str]:
    """Multi-host replicas that go whole, whatever is decided: they lack a host that they had."""
    broken: set[str] = set()
    for group in spec.worker_group_specs:
        if group.num_of_hosts > 1:
            pods = [pod for pod in snapshot.pods if pod.group == group.group_name]
            made = _sort(
                snapshot,
                group,
                pods,
                cache(partial(worker_pods, snapshot.cluster, spec, group, snapshot.pod_settings)),
            )
            kept = {replica.name for replica in (*made.whole, *made.parts)}
            broken |= {pod.host.replica for pod in pods if pod.host is not None} - kept
    return frozenset(broken)


def _pods_of(replica: _Found) -> tuple[Pod, ...]:
    return tuple(pod for _, pod in replica.pods)


def _has_ended(replica: _Found) -> bool:
    return any(state_of(pod) is SETTLING for pod in _pods_of(replica))


def _going(replica: _Found, scaled: Scaled) -> tuple[Cause, str] | None:
    """Why a replica is to go by decision, if any of its hosts is."""
    return next((scaled.deletes[pod.name] for _, pod in replica.pods if pod.name in scaled.deletes), None)


def _sort(
    snapshot: Snapshot, group: WorkerGroupSpec, pods: Sequence[Pod], factory: Callable[[], PodFactory]
) -> _Sorted:
    found, strays = _take_apart(pods)
    made = _Sorted(leaves=strays)
    recorded = recorded_index(snapshot.cluster, group.group_name)
    flaws = [(one, _flaw(one, group)) for one in found]
    ended = [one for one, why in flaws if why and why[0] is Cause.BROKEN_REPLICA and _has_ended(one)]
    made.settling = sort_ended(snapshot, group.group_name, ended, _pods_of, "replica")
    left = {one.name for one in made.settling.left}
    for replica, flaw in flaws:
        if replica.name in left or all(pod.deleting for _, pod in replica.pods):
            continue
        if flaw is not None:
            made.leaves.append(_leaves(replica, *flaw))
        elif len(replica.pods) == group.num_of_hosts:
            made.whole.append(replica)
        elif _was_never_whole(replica, snapshot.cluster, factory(), recorded):
            made.parts.append(replica)
        else:
            gone = replica.lacking(group.num_of_hosts)[0]
            made.leaves.append(_leaves(replica, Cause.BROKEN_REPLICA, f"host {gone} is gone"))
    return made


@dataclass(frozen=True, slots=True)
class _Making:
    """What is to be made, and of what."""

    snapshot: Snapshot
    group: WorkerGroupSpec
    factory: Callable[[], PodFactory]
    pods: Sequence[Pod]
    parts: Sequence[_Found]
    missing: int
    """Whole replicas."""


def _with_creates(making: _Making, plan: WorkersPlan) -> WorkersPlan:
    """`plan` with the creates, or with why there are none now."""
    snapshot, group = making.snapshot, making.group
    if any(pod.active for leave in plan.leaves for pod in leave.unit.pods):
        return replace(plan, requeue_after=_sooner(plan, AFTER_DELETES))
    hold = snapshot.held.get(group.group_name)
    if hold is not None and hold.until > snapshot.now:
        return replace(plan, wait=hold.words, requeue_after=_sooner(plan, hold.until - snapshot.now))
    factory = making.factory()
    if factory.template_hash in snapshot.refused:
        return replace(plan, wait=snapshot.refused[factory.template_hash])
    creates = [create for part in making.parts for create in _rest_of(making, part)]
    return replace(plan, creates=(*creates, *_new(making)))


def _sooner(plan: WorkersPlan, seconds: float) -> float:
    return seconds if plan.requeue_after is None else min(plan.requeue_after, seconds)


def _rest_of(making: _Making, part: _Found) -> list[CreatePod]:
    host, pod = part.pods[0]
    hosts = making.group.num_of_hosts
    replica = making.factory().replica(host.replica_index, pod.index - host.host_index, hosts)
    lacking = part.lacking(hosts)
    reason = f"replica {replica.name} is not whole: {_of_hosts(lacking, hosts)} not made"
    return [_create(making, replica, index, reason) for index in lacking]


def _of_hosts(lacking: Sequence[int], hosts: int) -> str:
    return f"{len(lacking)} of {hosts} hosts {'was' if len(lacking) == 1 else 'were'}"


def _new(making: _Making) -> list[CreatePod]:
    hosts, missing = making.group.num_of_hosts, making.missing
    recorded = recorded_index(making.snapshot.cluster, making.group.group_name)
    highest = max([recorded, *(pod.index for pod in making.pods)])
    highest = max([highest, *(_last_of(part, hosts) for part in making.parts)])
    taken = {pod.host.replica_index for pod in making.pods if pod.host is not None}
    places = (place for place in count() if place not in taken)
    reason = f"{counted(missing, 'replica')} of {hosts} hosts fewer than wanted"
    # A pod more than a pass may create, so that the rest is known to be left; never a million bodies.
    most = -(-(MOST_CREATES + 1) // hosts)
    return [
        _create(making, replica, index, reason)
        for step, place in enumerate(islice(places, min(missing, most)))
        for replica in [making.factory().replica(place, highest + 1 + step * hosts, hosts)]
        for index in range(hosts)
    ]


def _last_of(part: _Found, hosts: int) -> int:
    """The n of the last host of a replica, made or not."""
    host, pod = part.pods[0]
    return pod.index - host.host_index + hosts - 1


def _create(making: _Making, replica: Replica, index: int, reason: str) -> CreatePod:
    body = replica.host(index)
    return CreatePod(
        NodeType.WORKER,
        making.group.group_name,
        body["metadata"]["name"],
        making.factory().template_hash,
        body,
        reason,
        replica=replica.name,
    )


def _take_apart(pods: Sequence[Pod]) -> tuple[list[_Found], list[Leave]]:
    """The replicas, oldest first, and the pods that belong to none, which leave."""
    by_name: dict[str, list[tuple[Host, Pod]]] = {}
    strays = []
    for pod in pods:
        if pod.host is not None:
            by_name.setdefault(pod.host.replica, []).append((pod.host, pod))
        else:
            strays.append(pod_leaves(pod, Cause.BROKEN_REPLICA, "it belongs to no replica"))
    return [_Found(name, tuple(hosts)) for name, hosts in by_name.items()], strays


def _flaw(replica: _Found, group: WorkerGroupSpec) -> tuple[Cause, str] | None:
    """Why a replica has to go; none if it need not, though it may lack hosts."""
    requested = set(group.scale_strategy.workers_to_delete)
    named = next((pod.name for _, pod in replica.pods if pod.active and pod.name in requested), None)
    if named is not None:
        return Cause.REQUESTED, f"{named} is named in workersToDelete"
    for host, pod in replica.pods:
        state = state_of(pod)
        if state is GOING:
            return Cause.BROKEN_REPLICA, f"host {host.host_index} is going"
        if state is SETTLING:
            return Cause.BROKEN_REPLICA, f"host {host.host_index} has ended: {end_words(pod) or pod.phase}"
    there = [host.host_index for host, _ in replica.pods]
    if len(set(there)) < len(there) or max(there) >= group.num_of_hosts:
        return Cause.BROKEN_REPLICA, f"it has {counted(len(there), 'host')}, {group.num_of_hosts} are wanted"
    return None


def _was_never_whole(replica: _Found, cluster: Root, factory: PodFactory, recorded: int) -> bool:
    """Whether the hosts that it lacks were never made, and may be made now as the others were."""
    firsts = {pod.index - host.host_index for host, pod in replica.pods}
    first = min(firsts)
    if len(firsts) > 1 or any(pod.template_hash != factory.template_hash for _, pod in replica.pods):
        return False
    if first < 1 or replica.name != replica_name(cluster, replica.pods[0][1].group, first):
        return False
    there = {host.host_index for host, _ in replica.pods}
    return first + next(index for index in count() if index not in there) > recorded


def _leaves(replica: _Found, cause: Cause, reason: str) -> Leave:
    return Leave(Unit(_pods_of(replica), replica.name), cause, reason)


def last_index(cluster: Root, group: WorkerGroupSpec, pods: Sequence[Pod]) -> int:
    """The highest n of the group to be recorded: of a multi-host one, that of replicas that were whole."""
    counted = pods
    if group.num_of_hosts > 1:
        replicas, _ = _take_apart(pods)
        whole = (r for r in replicas if len({host.host_index for host, _ in r.pods}) >= group.num_of_hosts)
        counted = [pod for replica in whole for _, pod in replica.pods]
    return max([recorded_index(cluster, group.group_name), *(pod.index for pod in counted)])
