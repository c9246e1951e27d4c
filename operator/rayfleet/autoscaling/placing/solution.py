"""What becomes of demand: how much of each entry found a place, and what the rest lacks."""

from dataclasses import dataclass, field

from rayfleet.autoscaling.decision import DemandKind
from rayfleet.autoscaling.demand.needs import Need
from rayfleet.autoscaling.placing.packing import Packing, Rooms
from rayfleet.ray.state import Gang


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of demand, and how much of it found no place."""

    kind: DemandKind
    need: Need
    left: int
    gang: Gang | None = None
    lacking: Need | None = None
    """Of a gang that is not placed: the first bundle that did not fit, when others of it had their places."""
    rooms: Rooms | None = None
    """What could still have been started when a gang had been placed as far as it could be."""
    skipped: bool = False
    """It was not looked at to its end: there was too much before it."""


@dataclass(slots=True)
class Solution:
    """Everything placed that can be."""

    packing: Packing
    entries: list[Entry]
    kept: set[str]
    """Pods that `request_resources` keeps, busy or not."""
    vain: dict[Gang, tuple[list[Need], Need, Rooms]] = field(default_factory=dict)
    """Gangs that found no place since something was placed last: what they lack, what could be started."""


def cost(packing: Packing) -> tuple[object, ...]:
    """Nodes to start, then the accelerators in them, then how much of what is asked for, then of all."""
    pairs = list(zip(packing.new, packing.templates, strict=True))
    started = [(n * template.group.num_of_hosts, template) for n, template in pairs if n]
    sums = [sum(n * t.node.total[d] for n, t in started) for d in range(len(packing.space.names))]
    accelerators = sum(replicas * template.gpus for replicas, template in pairs)
    return (packing.size, accelerators, sums, round(sum(n * t.extent for n, t in started), 4))
