"""The outcome for demand: how much of each entry found a place, and what the rest lacks."""

from msgspec import Struct, field

from rayfleet.autoscaling.decision import DemandKind
from rayfleet.autoscaling.demand.needs import Need
from rayfleet.autoscaling.placing.packing import Packing, Rooms
from rayfleet.ray.state import Gang


class Entry(Struct, frozen=True):
    """One entry of demand, and how much of it found no place."""

    kind: DemandKind
    need: Need
    left: int
    gang: Gang | None = None
    lacking: Need | None = None
    """For an unplaced gang: the first bundle that did not fit."""
    rooms: Rooms | None = None
    """For an unplaced gang: what could still be started after placing as much of it as possible."""
    skipped: bool = False
    """It was not considered to the end, as there was too much before it."""


class Solution(Struct):
    """A packing with everything placed that can be."""

    packing: Packing
    entries: list[Entry]
    kept: set[str]
    """Pods that `request_resources` keeps, busy or not."""
    vain: dict[Gang, tuple[list[Need], Need, Rooms]] = field(default_factory=dict)
    """Gangs that found no place since something was last placed: needs, what is lacking, what could start."""


def cost(packing: Packing) -> tuple[object, ...]:
    """The nodes to start, then their accelerators, their requested resources, and all their resources."""
    pairs = list(zip(packing.new, packing.templates, strict=True))
    started = [(n * template.group.num_of_hosts, template) for n, template in pairs if n]
    sums = [sum(n * t.node.total[d] for n, t in started) for d in range(len(packing.space.names))]
    accelerators = sum(replicas * template.gpus for replicas, template in pairs)
    return (packing.size, accelerators, sums, round(sum(n * t.extent for n, t in started), 4))
