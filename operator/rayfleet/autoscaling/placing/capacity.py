"""The nodes that work can go to, equal ones as one entry with a count."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from rayfleet.api.accelerators import whole_accelerators
from rayfleet.api.names import HEAD_GROUP
from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Kind, Space, Vector
from rayfleet.autoscaling.inputs import Worker, WorkerGroup
from rayfleet.ray.state import NodeStatus, RayNode, RayState, Resources

HEAD: Final = -1
"""Stands for the head in place of a group's index."""
_NODE_GROUP: Final = "ray.io/node-group"
_ACCELERATOR: Final = "ray.io/accelerator-type"
_ORDER: Final = {Tier.RUNNING: 0, Tier.COMING: 1, Tier.NEW: 2, Tier.BLOCKED: 3}


class NodeShape(NamedTuple):
    """What one node of a group has, or would have."""

    total: Vector
    kind: Kind


class Bin(NamedTuple):
    """Equal nodes: of one group, in the same tier, with the same resources free."""

    group: int
    tier: Tier
    kind: Kind
    free: Vector
    total: Vector
    size: int
    """The number of nodes."""
    members: tuple[str, ...] = ()
    """Names of the pods, with those that should stay first; empty for nodes without a pod."""
    load: tuple[tuple[int, int], ...] = ()
    """(need, how many on each of these nodes), placed by this decision."""
    gang: int = -1
    """The last gang that was spread over these nodes."""
    accelerated: bool = False
    """These nodes have accelerators, whether or not anything asks for them."""
    accelerator_work: bool = False
    """This decision places work on accelerators of these nodes."""
    fixed: bool = False
    """Needed for another reason than its load: min, a metric or `request_resources`."""


class Template(Struct, frozen=True):
    """What one more replica of a group would bring."""

    index: int
    group: WorkerGroup
    first: NodeShape
    """The host of each replica that has the most: one host of a TPU slice is its head."""
    node: NodeShape
    """Each of the other hosts."""
    gpus: int
    """Whole accelerators of one replica, for ceilings."""
    extent: float
    """The size of a node by everything it has, requested or not: the sum, over its resources, of its share of
    the most that any group has."""
    other_resources: int
    """How many of its resources nothing asks for."""
    depth: int
    """0, or the number of groups that come first because they name this one as their fallback."""

    @property
    def hosts(self) -> tuple[tuple[NodeShape, int], ...]:
        """The nodes of one replica, equal ones as one entry with a count."""
        count = self.group.num_of_hosts
        if count == 1 or self.first == self.node:
            return ((self.first, count),)
        return ((self.first, 1), (self.node, count - 1))

    def nodes(
        self, like: NodeShape, tier: Tier, size: int, members: tuple[str, ...] = (), *, fixed: bool = False
    ) -> Bin:
        """`size` of its nodes, with nothing on them."""
        total, kind = like
        accelerated = self.gpus > 0
        return Bin(self.index, tier, kind, total, total, size, members, accelerated=accelerated, fixed=fixed)


def templates_of(space: Space, groups: Sequence[WorkerGroup], stuck: frozenset[str]) -> tuple[Template, ...]:
    """One template for each group, in the same order."""
    depths = _depths(groups, stuck)
    everything = [
        dict((*_node_resources(group), *group.first_host)) | {"": float(group.accelerators)}
        for group in groups
    ]
    most: dict[str, float] = {}
    for resources in everything:
        for name, amount in resources.items():
            most[name] = max(amount, most.get(name, 0.0))
    return tuple(
        Template(
            index=index,
            group=group,
            first=_node(space, group, first=True),
            node=_node(space, group, first=False),
            gpus=max(whole_accelerators(group.resources), group.accelerators) * group.num_of_hosts,
            extent=round(sum(n / most[name] for name, n in everything[index].items() if most[name]), 6),
            other_resources=sum(name not in space.names for name, _ in group.resources),
            depth=depths[group.name],
        )
        for index, group in enumerate(groups)
    )


def _node(space: Space, group: WorkerGroup, *, first: bool) -> NodeShape:
    resources, labels = dict(_node_resources(group)), {**dict(group.labels), _NODE_GROUP: group.name}
    if first:
        resources |= dict(group.first_host)
        labels |= dict(group.first_host_labels)
    return NodeShape(space.vector(tuple(resources.items())), space.kind(labels.items()))


def _node_resources(group: WorkerGroup) -> Resources:
    """The group's resources, with those that Ray adds on a node with a known accelerator."""
    accelerator = dict(group.labels).get(_ACCELERATOR)
    name = f"accelerator_type:{accelerator}"
    if accelerator and all(name != known for known, _ in group.resources):
        return (*group.resources, (name, 1.0))
    return group.resources


def _depths(groups: Sequence[WorkerGroup], stuck: frozenset[str]) -> dict[str, int]:
    """A group comes after every group that names it as a fallback, unless that group's pods are blocked."""
    before: dict[str, set[str]] = {group.name: set() for group in groups}
    for group in groups:
        if group.fallback and group.name not in stuck:
            for place, name in enumerate(group.fallback.groups):
                if name in before:
                    before[name] |= {group.name, *group.fallback.groups[:place]} - {name}
    ancestors = {name: _closure(name, before) for name in before}
    # Two groups that name each other are equals.
    return {name: sum(name not in ancestors[other] for other in others) for name, others in ancestors.items()}


def _closure(name: str, before: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    open_ends = [name]
    while open_ends:
        fresh = before[open_ends.pop()] - reached
        reached |= fresh
        open_ends += fresh
    return reached


def preference(bin_: Bin, gpu: int) -> tuple[object, ...]:
    """Smaller for nodes to fill first: no accelerator, running, little left, then by group."""
    free, total = bin_.free, bin_.total
    shares = sum([left / all_ for left, all_ in zip(free, total, strict=True) if all_])
    return (
        bin_.accelerated and not bin_.accelerator_work,
        _ORDER[bin_.tier],
        free[gpu],
        shares,
        bin_.total,
        bin_.group,
        free,
        tuple(map(str, bin_.kind)),
    )


def running_bins(
    space: Space, ray: RayState, groups: Sequence[WorkerGroup], workers: Iterable[Worker]
) -> tuple[list[Bin], dict[str, RayNode]]:
    """The nodes of Ray that may take work, as bins; and the node of each pod that Ray knows."""
    index = {group.name: at for at, group in enumerate(groups)}
    joined = {node.instance_id: node for node in ray.nodes if node.status is not NodeStatus.DEAD}
    known = {worker.name: node for worker in workers if (node := joined.get(worker.name))}
    members: dict[tuple[int, Vector, Vector, Kind], list[RayNode]] = {}
    for worker in workers:
        node = known.get(worker.name)
        if node and not worker.draining and node.status is not NodeStatus.DRAINING and worker.group in index:
            key = (index[worker.group], *_state(space, node))
            members.setdefault(key, []).append(node)
    for node in joined.values():
        if node.group == HEAD_GROUP and node.status is not NodeStatus.DRAINING:
            members.setdefault((HEAD, *_state(space, node)), []).append(node)
    bins = []
    for (group, free, total, kind), nodes in members.items():
        if len(nodes) > 1:
            nodes.sort(key=lambda node: (node.idle_seconds, node.instance_id))
        names = tuple([node.instance_id for node in nodes])
        taken = groups[group].accelerators if group != HEAD else 0
        accelerated = taken > 0 or whole_accelerators(nodes[0].total) > 0
        bins.append(Bin(group, Tier.RUNNING, kind, free, total, len(names), names, accelerated=accelerated))
    return bins, known


def _state(space: Space, node: RayNode) -> tuple[Vector, Vector, Kind]:
    return space.vector(node.available), space.vector(node.total), space.kind(node.labels)
