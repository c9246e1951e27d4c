"""A manifest and a queue file, as inputs of the operator's own decision."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.violation import Violation
from rayfleet.autoscaling import Decision, Memory, Worker, WorkerGroup, decide
from rayfleet.cli.demand_file import DemandFile, GivenNodes
from rayfleet.kinds.raycluster.manifests import head_resources
from rayfleet.kinds.raycluster.plan import unsupported
from rayfleet.kinds.raycluster.plan.gate import gated_groups
from rayfleet.kinds.raycluster.plan.scaling import group_of, policy_of
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import NodeStatus, RayNode, RayState, Resources

NOW = 1_000_000.0
"""Unix seconds; an arbitrary time, long after anything a stabilization window could remember."""
_ACCELERATOR: Final = "ray.io/accelerator-type"


class Scenario(Struct, frozen=True):
    """A queue, and the cluster it belongs to."""

    groups: tuple[WorkerGroup, ...]
    """The groups of the manifest."""
    workers: tuple[Worker, ...]
    ray: RayState
    decision: Decision


def scenario_of(cluster: Root, spec: RayClusterSpec, demand: DemandFile) -> Scenario | tuple[Violation, ...]:
    """The decision for this queue, or what in `demand` does not fit the manifest."""
    timeout = spec.autoscaler_options.idle_timeout_seconds
    withheld = {finding.group: finding.instead for finding in unsupported(spec) if finding.withholds}
    unable = gated_groups(spec) | withheld
    groups = [
        replace(group_of(group, timeout), withheld=unable.get(group.group_name, ""))
        for group in spec.worker_group_specs
    ]
    if demand.nodes is not None:
        if faults := tuple(_faults(groups, demand.nodes)):
            return faults
        groups = [replace(g, desired=sum(n.count for n in demand.nodes if n.group == g.name)) for g in groups]
    nodes, workers = [_head(spec)], list[Worker]()
    for index, given in enumerate(demand.nodes or ()):
        group = next(group for group in groups if group.name == given.group)
        for worker in _pods(given, group, index):
            workers.append(worker)
            if given.joined:
                nodes.append(_node(given, group, worker))
    ray = RayState("", 1, tuple(nodes), demand.demands(), demand.placement_groups(), demand.constraints())
    empty = Snapshot(cluster, spec, (), (), (), NOW)
    decision = decide(ray, groups, workers, policy_of(empty, spec), Memory(began=0.0), NOW)
    return Scenario(tuple(groups), tuple(workers), ray, decision)


def _faults(groups: Sequence[WorkerGroup], nodes: Sequence[GivenNodes]) -> Iterator[Violation]:
    resources = {group.name: {**dict(group.resources), **dict(group.first_host)} for group in groups}
    for index, node in enumerate(nodes):
        if node.group not in resources:
            known = ", ".join(resources) or "none"
            yield Violation(
                f"nodes[{index}].group",
                f"must be a worker group of the manifest ({known}), but is {node.group!r}.",
            )
            continue
        for name, used in node.used.items():
            has = resources[node.group].get(name, 0.0)
            if used > has:
                yield Violation(
                    f"nodes[{index}].used.{name}",
                    f"must be at most {has:g}, the capacity of a {node.group} node, but is {used:g}.",
                )


def _pods(given: GivenNodes, group: WorkerGroup, index: int) -> Iterator[Worker]:
    name = given.name or f"{given.group}-node-{index + 1}"
    for number in range(1, given.count + 1):
        replica = f"{name}-{number}"
        if group.num_of_hosts == 1:
            yield Worker(replica, group.name, since=0.0)
        for host in range(group.num_of_hosts if group.num_of_hosts > 1 else 0):
            yield Worker(f"{replica}-{host}", group.name, since=0.0, replica=replica)


def _node(given: GivenNodes, group: WorkerGroup, pod: Worker) -> RayNode:
    name, has, used = pod.name, dict(group.resources), given.used
    labels = {**given.labels, **dict(group.labels)}
    if not pod.replica or name == f"{pod.replica}-0":
        has |= dict(group.first_host)
        labels |= dict(group.first_host_labels)
    if accelerator := dict(group.labels).get(_ACCELERATOR):
        has.setdefault(f"accelerator_type:{accelerator}", 1.0)  # Ray adds this itself.
    return _ray_node(
        name,
        group.name,
        NodeStatus.RUNNING if any(used.values()) else NodeStatus.IDLE,
        total=_sorted(has),
        available=_sorted({name: amount - used.get(name, 0.0) for name, amount in has.items()}),
        labels=tuple(sorted((labels | {"ray.io/node-group": group.name}).items())),
        idle_seconds=given.idle_seconds,
    )


def _head(spec: RayClusterSpec) -> RayNode:
    has = head_resources(spec.head_group_spec)
    return _ray_node("head", HEAD_GROUP, NodeStatus.RUNNING, total=has, available=has)


def _ray_node(
    name: str,
    group: str,
    status: NodeStatus,
    *,
    total: Resources,
    available: Resources,
    labels: tuple[tuple[str, str], ...] = (),
    idle_seconds: float = 0.0,
) -> RayNode:
    return RayNode(
        name.encode(), name, group, status, total, available, labels, idle_seconds, ip="", activity=()
    )


def _sorted(amounts: Mapping[str, float]) -> Resources:
    return tuple(sorted((name, amount) for name, amount in amounts.items() if amount > 0))
