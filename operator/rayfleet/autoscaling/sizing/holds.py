"""Why demand that found no place must wait, or will never find one."""

from collections.abc import Sequence

from rayfleet.api.base import INT32_MAX
from rayfleet.autoscaling import words
from rayfleet.autoscaling.decision import DemandHold, HoldKind
from rayfleet.autoscaling.demand.needs import SCALE, Kind, Need, Space, Vector
from rayfleet.autoscaling.inputs import AutoscalingPolicy, GpuHeadroom
from rayfleet.autoscaling.placing.capacity import Template
from rayfleet.autoscaling.placing.packing import Packing, Rooms
from rayfleet.autoscaling.placing.scoring import suits
from rayfleet.autoscaling.sizing.census import Census


def whole_nodes(packing: Packing) -> tuple[tuple[Vector, Kind], ...]:
    """The existing nodes as if they were empty, each kind once."""
    return tuple({(nodes.total, nodes.kind): None for nodes in packing.bins})


def is_oversized(packing: Packing, nodes: Sequence[tuple[Vector, Kind]], need: Need) -> bool:
    """Whether no whole node of any group, nor any existing node, is large enough, whatever its labels."""
    totals = dict.fromkeys([t.first.total for t in packing.templates] + [total for total, _ in nodes])
    return not any(all(total[d] >= a for d, a in need.amounts) for total in totals)


def could_hold(space: Space, need: Need, template: Template) -> bool:
    """Whether an empty node of the group could take the need at all."""
    return any(suits(space, need, *node) for node, _ in template.hosts)


class DemandHolds:
    """Why needs are not placed: one message for each group, however many entries wait for it.

    A hundred groups, each with a message for each of thousands of entries, would take a hundred megabytes.
    """

    def __init__(self, packing: Packing, census: Sequence[Census], policy: AutoscalingPolicy) -> None:
        self._packing = packing
        self._nodes = whole_nodes(packing)
        self._census = census
        self._policy = policy
        self._each: dict[tuple[Rooms, int], DemandHold | None] = {}
        self._together: dict[tuple[Rooms, tuple[int, ...]], tuple[DemandHold, ...]] = {}

    def of(self, need: Need, rooms: Rooms) -> tuple[DemandHold, ...]:
        """What keeps this need from being placed, one reason for each group that could take it."""
        space = self._packing.space
        able = [t for t in self._packing.templates if could_hold(space, need, t)]
        if able:
            return self._of_groups(rooms, able)
        if any(suits(space, need, total, kind) for total, kind in self._nodes):
            message = "only busy nodes could take it, and no group has more of them"
            return (DemandHold(HoldKind.MAX, message),)
        return (DemandHold(HoldKind.INFEASIBLE, _infeasible(self._packing, need)),)

    def steps(self, need: Need) -> int:
        """The steps to check every kind of node that exists or could, and to write the message."""
        parts = len(need.amounts) + sum(map(len, need.shape.selectors))
        return (len(self._packing.templates) + len(self._nodes) + 20) * (3 * parts + 4)

    def _of_groups(self, rooms: Rooms, groups: Sequence[Template]) -> tuple[DemandHold, ...]:
        which = rooms, tuple([group.index for group in groups])
        if which not in self._together:
            holds = [hold for group in groups if (hold := self._of_group(rooms, group)) is not None]
            self._together[which] = tuple(dict.fromkeys(holds))
        return self._together[which]

    def _of_group(self, rooms: Rooms, group: Template) -> DemandHold | None:
        which = rooms, group.index
        if which not in self._each:
            self._each[which] = group_hold(rooms, group, self._census[group.index], self._policy)
        return self._each[which]


def group_hold(
    rooms: Rooms, template: Template, census: Census, policy: AutoscalingPolicy
) -> DemandHold | None:
    """Why no more of this group is started; None if more could be."""
    name = template.group.name
    if template.group.withheld:
        return DemandHold(HoldKind.WITHHELD, f"{name}: {template.group.withheld}")
    if rooms.groups[template.index] <= 0:
        return DemandHold(HoldKind.MAX, f"{name} is at its max of {_max_words(census, policy)}")
    if not rooms.can_start(template):
        return DemandHold(HoldKind.CEILING, f"{name}: {_tightest(policy.ceilings)}")
    return blocked_hold(census)


def ceiling_hold(census: Census, policy: AutoscalingPolicy) -> DemandHold | None:
    """The ceiling that keeps wanted replicas from being created, if there is one."""
    if not census.held or not policy.ceilings:
        return None
    count = words.counted(census.held, "replica")
    verb = "waits" if census.held == 1 else "wait"
    return DemandHold(
        HoldKind.CEILING, f"{count} of {census.group.name} {verb}: {_tightest(policy.ceilings)}"
    )


def blocked_hold(census: Census) -> DemandHold | None:
    if census.blocked is None:
        return None
    return DemandHold(
        HoldKind.BLOCKED, f"{census.group.name}: {census.blocked.reason.value}: {census.blocked.message}"
    )


def _max_words(census: Census, policy: AutoscalingPolicy) -> str:
    maximum = words.counted(census.maximum, "replica")
    if census.group.max_replicas >= INT32_MAX:
        maximum += f" (maxReplicas is not set, so at most {words.counted(policy.open_max_pods, 'pod')})"
    return maximum


def _tightest(ceilings: Sequence[GpuHeadroom]) -> str:
    return min(ceilings, key=lambda ceiling: (ceiling.gpus_left, ceiling.message)).message


def _infeasible(packing: Packing, need: Need) -> str:
    """Why no group could ever take it; names the one resource or label that rules out all groups, if any."""
    space, templates, shape = packing.space, packing.templates, need.shape
    if not templates:
        return "the cluster has no worker groups"
    asked = dict(shape.resources)
    for dimension, units in need.amounts:
        largest = max(t.first.total[dimension] for t in templates)
        if largest < units:
            name = space.names[dimension]
            has = words.number(name, largest / SCALE) if largest else "none"
            return f"{words.amount(name, asked[name])} on one node: the largest group has {has}"
    alike = [t for t in templates if any(space.rank(shape.selectors, node.kind) >= 0 for node, _ in t.hosts)]
    if shape.selectors and not alike:
        return f"no group has {words.labels(shape.selectors)}"
    where = "no group with these labels has" if shape.selectors else "no group has"
    return f"{words.resources(shape.resources)} on one node: {where} all of it"
