"""Counts the replicas of each group by state, and the nodes that they are or will be."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from rayfleet.api.base import INT32_MAX
from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.inputs import AutoscalingPolicy, Blocked, Worker, WorkerGroup
from rayfleet.autoscaling.placing.capacity import Bin, NodeShape, Template
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.sizing.surplus import removable
from rayfleet.ray.state import RayNode


class Census(Struct):
    """The replicas of one group, without those that are draining."""

    group: WorkerGroup
    maximum: int
    replicas: dict[str, list[Worker]] = field(default_factory=dict)
    """The active ones, by the name of the replica or of its only pod."""
    missing: int = 0
    """Replicas that are wanted but have no pod yet."""
    held: int = 0
    """How many of the missing ones a ceiling keeps from being created."""
    late: set[str] = field(default_factory=set)
    """Replicas with a pod that has been blocked for too long."""
    refused: bool = False
    """The missing replicas have been refused for too long."""
    blocked: Blocked | None = None
    """What has blocked a pod for longest."""
    surplus: list[tuple[str, ...]] = field(default_factory=list)
    """The pods of each replica that has not joined and is above a lowered maximum."""
    looks: list[float] = field(default_factory=list)
    """Seconds until time alone changes what is counted here."""

    @property
    def present(self) -> int:
        return len(self.replicas) + self.missing

    @property
    def floor(self) -> int:
        """The size below which the group does not shrink on its own."""
        return min(max(self.group.min_replicas, self.group.metric_replicas), self.maximum)

    @property
    def stuck(self) -> bool:
        return bool(self.late) or self.refused or bool(self.group.withheld)


def patience(group: WorkerGroup, policy: AutoscalingPolicy) -> float:
    """How long blocked pods of the group count as coming capacity, in seconds."""
    if group.withheld and group.fallback and group.fallback.groups:
        return 0.0  # Whoever set the gate already knows that no pods will come.
    return (
        float(group.fallback.after_seconds)
        if group.fallback and group.fallback.groups
        else policy.blocked_seconds
    )


def take_census(
    groups: Sequence[WorkerGroup], workers: Sequence[Worker], context: SizingContext
) -> list[Census]:
    """One census for each group, in order."""
    by_group = {group.name: Census(group, _maximum(group, context.policy)) for group in groups}
    leaving = {(worker.group, worker.replica or worker.name) for worker in workers if worker.draining}
    for worker in workers:
        census = by_group.get(worker.group)
        replica = worker.replica or worker.name
        if census is None or (worker.group, replica) in leaving:
            continue
        census.replicas.setdefault(replica, []).append(worker)
        if worker.blocked and worker.name not in context.joined:
            _note_blocked(census, replica, worker.blocked, context)
    for census in by_group.values():
        _take_out_surplus(census, context)
        _count_missing(census, context)
    return list(by_group.values())


def _note_blocked(census: Census, replica: str, blocked: Blocked, context: SizingContext) -> None:
    late_in = blocked.late_at(patience(census.group, context.policy)) - context.now
    if late_in > 0:
        census.looks.append(late_in)
    else:
        census.late.add(replica)
    reported = late_in <= 0 or not blocked.is_starting
    if reported and (census.blocked is None or blocked.since < census.blocked.since):
        census.blocked = blocked


def _take_out_surplus(census: Census, context: SizingContext) -> None:
    """Take out replicas above the maximum that have not joined: they go before anything that runs."""
    going = sum(any(worker.requested for worker in workers) for workers in census.replicas.values())
    over = len(census.replicas) - going - census.maximum
    if over <= 0:
        return
    possible, looks = removable(census.replicas, census.late, context)
    census.looks += looks
    for replica in possible[:over]:
        census.surplus.append(tuple(worker.name for worker in census.replicas.pop(replica)))
        census.late.discard(replica)


def _maximum(group: WorkerGroup, policy: AutoscalingPolicy) -> int:
    if group.max_replicas >= INT32_MAX:
        return max(group.min_replicas, policy.open_max_pods // group.num_of_hosts)
    return group.max_replicas


def _count_missing(census: Census, context: SizingContext) -> None:
    group, refused = census.group, census.group.refused
    wanted = group.desired if group.resized_to is None else min(group.desired, group.resized_to)
    census.missing = max(0, min(wanted, census.maximum) - len(census.replicas))
    if refused:
        if census.blocked is None or refused.since < census.blocked.since:
            census.blocked = refused
        late_in = refused.late_at(patience(group, context.policy)) - context.now
        census.refused = late_in <= 0
        if late_in > 0:
            census.looks.append(late_in)


def room_for_missing(
    templates: Sequence[Template], census: Sequence[Census], gpus_left: int | None
) -> int | None:
    """Give the room under ceilings to replicas that are already wanted; return what is left for others.

    Replicas without room do not count as coming capacity, so other groups may do their work.
    """
    if gpus_left is None:
        return None
    for template, group_census in sorted(
        zip(templates, census, strict=True), key=lambda pair: (-pair[1].group.priority, pair[1].group.name)
    ):
        if template.gpus:
            hosts = group_census.group.num_of_hosts
            parts = sum(hosts - len(workers) for workers in group_census.replicas.values())
            gpus_left = max(0, gpus_left - parts * template.gpus // hosts)
            group_census.held = max(0, group_census.missing - gpus_left // template.gpus)
            gpus_left -= (group_census.missing - group_census.held) * template.gpus
    return gpus_left


def coming_bins(
    templates: Sequence[Template], census: Sequence[Census], joined: Mapping[str, RayNode]
) -> list[Bin]:
    """The nodes that are coming, with a pod or without."""
    bins: list[Bin] = []
    for template, group in zip(templates, census, strict=True):
        coming: dict[tuple[Tier, NodeShape], list[str]] = {}
        unmade: dict[tuple[Tier, NodeShape], int] = {}
        for replica, workers in group.replicas.items():
            names = sorted([worker.name for worker in workers if worker.name not in joined])
            if not names and len(workers) >= template.group.num_of_hosts:
                continue
            tier = Tier.BLOCKED if replica in group.late else Tier.COMING
            nodes = _rest(template, [joined[worker.name] for worker in workers if worker.name in joined])
            for node, name in zip(nodes, names, strict=False):
                coming.setdefault((tier, node), []).append(name)
            for node in nodes[len(names) :]:
                unmade[tier, node] = unmade.get((tier, node), 0) + 1
        if not group.group.withheld:
            for tier, replicas in _missing(group):
                for node, count in template.hosts:
                    unmade[tier, node] = unmade.get((tier, node), 0) + count * replicas
        bins += [
            template.nodes(node, tier, len(names), tuple(sorted(names)))
            for (tier, node), names in coming.items()
        ]
        bins += [template.nodes(node, tier, count) for (tier, node), count in unmade.items() if count]
    return bins


def _missing(census: Census) -> tuple[tuple[Tier, int], ...]:
    """The number of replicas without a pod, by tier."""
    in_time = Tier.BLOCKED if census.refused else Tier.COMING
    return ((in_time, census.missing - census.held), (Tier.BLOCKED, census.held))


def _rest(template: Template, there: Sequence[RayNode]) -> list[NodeShape]:
    """The nodes of a replica that are still missing, given those that are `there`."""
    nodes = [node for node, count in template.hosts for _ in range(count)]
    special = {name for name, _ in template.group.first_host}
    for node in there:
        if len(nodes) > 1:
            is_first = not special or any(name in special for name, _ in node.total)
            nodes.pop(0 if is_first and nodes[0] == template.first else -1)
        elif nodes:
            nodes.pop()
    return nodes
