"""Pods that somebody has set aside: their labels contradict their names.

They may have been replaced already, by a person or by an operator that goes by labels. So a pod set aside
counts if the group would otherwise need a new pod, but no pod is deleted because of it, and it stays itself:
if there are enough pods without it, the plan does not see it. An ended one is replaced like any other.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec, scales_here
from rayfleet.autoscaling.words import several
from rayfleet.kinds.raycluster.actions import Cause, DeletePod, Plan, desired_replicas
from rayfleet.kinds.raycluster.plan.scaling import acted_on
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod

_STAYS_FOR: Final = frozenset({Cause.ENDED, Cause.REQUESTED, Cause.BROKEN_REPLICA})
"""Causes for which such a pod is deleted nevertheless: it has ended, was named, or is useless."""


class Seen(Struct, frozen=True):
    """The input of a plan, and the pods that it must leave alone."""

    snapshot: Snapshot
    left_out: tuple[Pod, ...] = ()
    """Pods set aside that are not needed."""
    kept: frozenset[str] = frozenset()
    """Names of pods set aside that count, and of the other hosts of their replicas."""


def seen(snapshot: Snapshot, spec: RayClusterSpec) -> Seen:
    """The snapshot without the pods set aside that are not needed."""
    if not any(pod.aside for pod in snapshot.pods):
        return Seen(snapshot)
    left_out = {pod.uid for pod in (*_heads(snapshot), *_workers(snapshot, spec))}
    pods = tuple(pod for pod in snapshot.pods if pod.uid not in left_out)
    replicas = {pod.host.replica for pod in pods if pod.aside and pod.host}
    kept = {pod.name for pod in pods if pod.aside or (pod.host and pod.host.replica in replicas)}
    out = tuple(pod for pod in snapshot.pods if pod.uid in left_out)
    return Seen(replace(snapshot, pods=pods), out, frozenset(kept))


def without_harm(plan: Plan, view: Seen) -> Plan:
    """`plan` without its actions on pods set aside, and with a message about those."""
    if not view.left_out and not view.kept:
        return plan
    deletes = tuple(delete for delete in plan.deletes if not _spares(delete, view))
    drains = tuple(drain for drain in plan.drains if drain.pod not in view.kept)
    return replace(plan, deletes=deletes, drains=drains, waits=(*plan.waits, *_words(view.left_out)))


def _spares(delete: DeletePod, view: Seen) -> bool:
    return delete.name in view.kept and delete.cause not in _STAYS_FOR


def _heads(snapshot: Snapshot) -> Iterator[Pod]:
    """Heads set aside while another head serves, or a newer one was set aside as well."""
    heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD]
    aside = [pod for pod in heads if pod.aside]
    if not any(not pod.aside and not pod.ended for pod in heads):
        newest = max(
            aside, key=lambda pod: (not pod.ended, pod.head_epoch or 0, pod.created, pod.name), default=None
        )
        aside = [pod for pod in aside if pod is not newest]
    yield from aside


def _workers(snapshot: Snapshot, spec: RayClusterSpec) -> Iterator[Pod]:
    by_group: dict[str, list[Pod]] = {}
    for pod in snapshot.pods:
        if pod.node_type == NodeType.WORKER:
            by_group.setdefault(pod.group, []).append(pod)
    groups = {group.group_name: group for group in spec.worker_group_specs}
    for name, pods in by_group.items():
        if not any(pod.aside for pod in pods):
            continue
        group = groups.get(name)
        if group is None:
            yield from (pod for pod in pods if pod.aside)
            continue
        units = _units(group, pods)
        wanted = _wanted(snapshot, spec, group)
        serving = sum(all(p.active for p in unit) for unit in units if not any(p.aside for p in unit))
        lacking = max(wanted - serving, 0)
        for unit in sorted(_spare(group, units), key=_worth, reverse=True)[lacking:]:
            yield from unit
        yield from (pod for unit in units if _is_rest(group, unit) for pod in unit)


def _units(group: WorkerGroupSpec, pods: Sequence[Pod]) -> list[list[Pod]]:
    """Pods that leave together: the hosts of a replica, or single pods."""
    if group.num_of_hosts == 1:
        return [[pod] for pod in pods]
    units: dict[str, list[Pod]] = {}
    for pod in pods:
        units.setdefault(pod.host.replica if pod.host else pod.name, []).append(pod)
    return list(units.values())


def _spare(group: WorkerGroupSpec, units: Sequence[list[Pod]]) -> list[list[Pod]]:
    """Whole units with a pod set aside, except those whose deletion was requested."""
    named = set(group.scale_strategy.workers_to_delete)
    return [
        unit
        for unit in units
        if len(unit) >= group.num_of_hosts
        and any(pod.aside for pod in unit)
        and not any(pod.name in named for pod in unit)
    ]


def _is_rest(group: WorkerGroupSpec, unit: Sequence[Pod]) -> bool:
    """Whether the unit is the remainder of a replica whose other hosts were replaced."""
    return len(unit) < group.num_of_hosts and all(pod.aside for pod in unit)


def _worth(unit: Sequence[Pod]) -> tuple[bool, bool, float]:
    return all(pod.active for pod in unit), all(pod.ready for pod in unit), -unit[0].created


def _wanted(snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec) -> int:
    """The wanted replicas of the group, as far as known before the plan."""
    acted = acted_on(snapshot, group) if scales_here(spec) else None
    if acted is None:
        return desired_replicas(group)
    return min(acted.wanted, group.max_replicas)


def _words(pods: Sequence[Pod]) -> Iterator[str]:
    if not pods:
        return
    verb, them = ("was", "it") if len(pods) == 1 else ("were", "them")
    yield (
        f"{several([pods[0].name], len(pods))} {verb} set aside by changed labels, and no pod is deleted"
        f" for {them}: restore the labels, or delete what is not needed"
    )
