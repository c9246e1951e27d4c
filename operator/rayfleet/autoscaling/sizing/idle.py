"""Which replicas are idle and not needed, and when the next one will be due."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec import Struct, field

from rayfleet.autoscaling.inputs import Worker
from rayfleet.autoscaling.sizing.census import Census
from rayfleet.ray.state import NodeStatus, RayNode


class IdleReplica(NamedTuple):
    """One replica and its pods."""

    name: str
    workers: tuple[Worker, ...]


class Idleness(Struct):
    """The replicas of one group that may go, longest idle first."""

    due: list[IdleReplica] = field(default_factory=list)
    surplus: list[IdleReplica] = field(default_factory=list)
    """Idle and not needed, but not for long enough yet."""
    next_in: float | None = None
    """Seconds until the first of `surplus` is due."""


def idle_replicas(census: Census, joined: Mapping[str, RayNode], needed: AbstractSet[str]) -> Idleness:
    """Complete replicas whose nodes are all idle and not needed."""
    group, idleness = census.group, Idleness()
    ages: list[tuple[float, str, list[Worker]]] = []
    for replica, workers in census.replicas.items():
        nodes = [joined.get(worker.name) for worker in workers]
        if len(nodes) == group.num_of_hosts and not any(worker.name in needed for worker in workers):
            idle = [n.idle_seconds if n and n.status is NodeStatus.IDLE else -1.0 for n in nodes]
            if min(idle) >= 0:
                ages.append((min(idle), replica, workers))
    for age, replica, workers in sorted(ages, key=lambda entry: (-entry[0], entry[1])):
        if age >= group.idle_timeout_seconds:
            idleness.due.append(IdleReplica(replica, tuple(workers)))
        else:
            idleness.surplus.append(IdleReplica(replica, tuple(workers)))
            if idleness.next_in is None:
                idleness.next_in = group.idle_timeout_seconds - age
    return idleness


def partly_joined(census: Census, joined: Mapping[str, RayNode]) -> list[IdleReplica]:
    """Multi-host replicas of which some hosts have not joined and the others are idle."""
    parts = []
    for replica, workers in census.replicas.items():
        nodes = [joined[worker.name] for worker in workers if worker.name in joined]
        idle = all(node.status is NodeStatus.IDLE for node in nodes)
        if nodes and idle and len(nodes) < census.group.num_of_hosts:
            parts.append(IdleReplica(replica, tuple(workers)))
    return sorted(parts)
