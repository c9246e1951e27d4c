"""The workers of one group: as many units as wanted; ended or broken units are replaced.

A unit is a replica of 1 to n hosts, planned whole or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause, CreatePod, desired_replicas
from rayfleet.kinds.raycluster.leaving.leave import Leave, Unit, pod_leaves
from rayfleet.kinds.raycluster.manifests import PodFactory
from rayfleet.kinds.raycluster.plan.gate import closed, gate_words
from rayfleet.kinds.raycluster.plan.limits import MOST_CREATES
from rayfleet.kinds.raycluster.plan.units import (
    Sorted,
    cost,
    factory_of,
    host_of,
    lacking,
    recorded_index,
    sort_units,
)
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod


class GroupPlan(Struct, frozen=True):
    """What to do about one group."""

    creates: tuple[CreatePod, ...] = ()
    leaves: tuple[Leave, ...] = ()
    wait: str | None = None
    requeue_after: float | None = None


class Scaled(Struct, frozen=True):
    """The queue's decision about one group, in replicas."""

    wanted: int
    launches: int
    """Replicas to start now."""
    growth: str
    """How many of them are growth, and why; empty if none are."""
    deletes: Mapping[str, tuple[Cause, str]]
    """Pods that leave, by name, and why. All others stay: they are busy, or may be needed."""


class _Making(Struct, frozen=True):
    """What to create, and from what."""

    snapshot: Snapshot
    spec: RayClusterSpec
    group: WorkerGroupSpec
    pods: Sequence[Pod]
    scaled: Scaled | None
    parts: Sequence[Unit]
    missing: int
    """Whole units."""


def plan_group(
    snapshot: Snapshot,
    spec: RayClusterSpec,
    group: WorkerGroupSpec,
    pods: Sequence[Pod],
    scaled: Scaled | None = None,
) -> GroupPlan:
    """Bring `group`, whose pods (in any state) are `pods`, to its number of whole units."""
    units = sort_units(snapshot, spec, group, pods)
    leaving, missing = _sized(group, units, scaled)
    settling = units.settling
    missing = max(missing - len(settling.left), 0)
    parts = units.parts
    if parts and leaving:
        gone = {leave.unit.replica for leave in leaving}
        parts = [part for part in parts if part.replica not in gone]
    plan = GroupPlan((), (*units.leaves, *leaving), settling.words or None, settling.later)
    if parts or missing:
        plan = _with_creates(_Making(snapshot, spec, group, pods, scaled, parts, missing), plan)
    gates = gate_words(group)
    return _behind_gate(plan, group, pods, scaled, gates) if gates else plan


def _sized(group: WorkerGroupSpec, units: Sorted, scaled: Scaled | None) -> tuple[list[Leave], int]:
    """The units that leave because of the group's size, and how many units it lacks."""
    present = len(units.parts) + len(units.whole)
    if scaled is None:
        desired = desired_replicas(group)
        if present <= desired:
            return [], desired - present
        noun = "pod" if group.num_of_hosts == 1 else "replica"
        reason = f"{counted(present, noun)}, {desired} wanted"
        return [Leave(unit, Cause.SURPLUS, reason) for unit in _by_cost(units)[: present - desired]], 0
    if not scaled.deletes:
        return [], scaled.launches
    removable = units.whole if group.num_of_hosts == 1 else _by_cost(units)
    return [Leave(unit, *why) for unit in removable if (why := _decided(unit, scaled))], scaled.launches


def _by_cost(units: Sorted) -> list[Unit]:
    return [*sorted(units.parts, key=cost), *sorted(units.whole, key=cost)]


def _decided(unit: Unit, scaled: Scaled) -> tuple[Cause, str] | None:
    """Why the decision removes a unit, if it removes any of its hosts."""
    return next((scaled.deletes[pod.name] for pod in unit.pods if pod.name in scaled.deletes), None)


def _behind_gate(
    plan: GroupPlan, group: WorkerGroupSpec, pods: Sequence[Pod], scaled: Scaled | None, gates: str
) -> GroupPlan:
    """`plan` without the creates that a gate forbids; pods still leave."""
    wanted = desired_replicas(group) if scaled is None else scaled.wanted
    missing = wanted * group.num_of_hosts - sum(pod.active for pod in pods)
    number = max(missing, len(plan.creates))
    if number <= 0:
        return plan
    which = f"{counted(number, 'pod')} of {group.group_name} {'waits' if number == 1 else 'wait'}"
    return replace(plan, creates=(), wait=f"{which}: {gates}")


def _with_creates(making: _Making, plan: GroupPlan) -> GroupPlan:
    """`plan` with the creates, or with the reason why there are none now."""
    snapshot, spec, group = making.snapshot, making.spec, making.group
    single = group.num_of_hosts == 1
    if not single and any(pod.active for leave in plan.leaves for pod in leave.unit.pods):
        # Never deletes and creates of a group in one pass: that could take it above its size.
        return plan
    shut = closed(snapshot, group.group_name, lambda: factory_of(snapshot, spec, group).template_hash)
    if shut is not None:
        return replace(plan, wait=shut.words, requeue_after=_sooner(plan, shut.later))
    factory = factory_of(snapshot, spec, group)
    creates = [create for part in making.parts for create in _rest_of(making, factory, part)]
    # Single pods that settle are not reported while others are created.
    return replace(plan, creates=(*creates, *_new(making, factory)), wait=None if single else plan.wait)


def _sooner(plan: GroupPlan, seconds: float | None) -> float | None:
    return min((at for at in (plan.requeue_after, seconds) if at is not None), default=None)


def _rest_of(making: _Making, factory: PodFactory, part: Unit) -> Iterator[CreatePod]:
    hosts, first = making.group.num_of_hosts, part.pods[0]
    place = first.host.replica_index if first.host is not None else 0
    missing = lacking(part, hosts)
    were = f"{len(missing)} of {hosts} hosts {'was' if len(missing) == 1 else 'were'} not created"
    reason = f"replica {part.replica} is not whole: {were}"
    yield from _hosts(making, factory, (place, first.index - host_of(first)), missing, reason)


def _new(making: _Making, factory: PodFactory) -> Iterator[CreatePod]:
    hosts, missing, pods = making.group.num_of_hosts, making.missing, making.pods
    recorded = recorded_index(making.snapshot, making.group.group_name)
    highest = max([recorded, *(pod.index for pod in pods), *(_last_of(part, hosts) for part in making.parts)])
    taken = {pod.place for pod in pods}
    if hosts > 1:
        taken = {pod.host.replica_index for pod in pods if pod.host is not None}
    places = (place for place in count() if place not in taken)
    reason = _reason(making)
    # One pod more than a pass may create, so that it is known that some are left; never a million bodies.
    most = -(-(MOST_CREATES + 1) // hosts)
    for step, place in enumerate(islice(places, min(missing, most))):
        yield from _hosts(making, factory, (place, highest + 1 + step * hosts), range(hosts), reason)


def _reason(making: _Making) -> str:
    hosts, missing, scaled = making.group.num_of_hosts, making.missing, making.scaled
    if hosts > 1:
        return f"{counted(missing, 'replica')} of {hosts} hosts fewer than wanted"
    if scaled is not None and scaled.growth and scaled.wanted > _wanted_before(making):
        return scaled.growth
    return f"{counted(missing, 'pod')} fewer than wanted"


def _wanted_before(making: _Making) -> int:
    """The size last acted on: if no more is wanted now, a new pod replaces another."""
    sizing = making.snapshot.scaling.acted_on.get(making.group.group_name)
    return sizing.wanted if sizing is not None else 0


def _last_of(part: Unit, hosts: int) -> int:
    """The n of a replica's last host, created or not."""
    return part.pods[0].index - host_of(part.pods[0]) + hosts - 1


def _hosts(
    making: _Making, factory: PodFactory, at: tuple[int, int], indexes: Sequence[int], reason: str
) -> Iterator[CreatePod]:
    """Hosts of the unit at this place in the group, with this first n."""
    (place, first), hosts = at, making.group.num_of_hosts
    if hosts == 1:
        yield _create(making, factory, factory.named(first, place), reason)
        return
    replica = factory.replica(place, first, hosts)
    for index in indexes:
        yield _create(making, factory, replica.host(index), reason, replica.name)


def _create(
    making: _Making, factory: PodFactory, body: Mapping[str, Any], reason: str, replica: str = ""
) -> CreatePod:
    name, group = body["metadata"]["name"], making.group.group_name
    return CreatePod(NodeType.WORKER, group, name, factory.template_hash, body, reason, replica=replica)


def removed_groups(spec: RayClusterSpec, workers: Sequence[Pod]) -> tuple[Leave, ...]:
    """The pods of groups that are no longer in the spec."""
    groups = {group.group_name for group in spec.worker_group_specs}
    return tuple(
        pod_leaves(pod, Cause.GROUP_REMOVED, f"group {pod.group} is no longer in the spec")
        for pod in workers
        if pod.group not in groups
    )
