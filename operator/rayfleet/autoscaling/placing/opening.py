"""Chooses nodes to start: each time those that the waiting work fills best."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Need, Space
from rayfleet.autoscaling.placing.capacity import NodeShape, Template
from rayfleet.autoscaling.placing.greedy import Offer, place_best_first
from rayfleet.autoscaling.placing.packing import Packing, Search
from rayfleet.autoscaling.placing.scoring import Load, Suited, fill, suited, utilisation

_BEGUN: Final = 30
"""Steps for each kind of node, whatever the needs."""
_LOOKED_AT: Final = 6
"""Steps for checking whether a kind of node could take a need at all."""


def start_nodes(
    packing: Packing, needs: Sequence[Need], left: list[int], search: Search, *, blocked: bool
) -> None:
    """Start nodes for what is left of each need, and place it there; `blocked`: in blocked groups."""
    candidates = _candidates(packing, needs, search, search.late if blocked else search.fresh)
    place_best_first(candidates, left, packing.effort, thorough=search.thorough)


def _candidates(
    packing: Packing, needs: Sequence[Need], search: Search, usable: Sequence[Template]
) -> Iterator["_NewNodes"]:
    """The groups whose nodes could take any of the needs: of a hundred groups most cannot."""
    space = packing.space
    each = _BEGUN + (_LOOKED_AT + space.width) * len(needs)
    for template in usable:
        if space.effort.spent:
            break
        hosts = template.hosts
        space.effort.spend(each * len(hosts))
        fits = tuple([suited(space, needs, *node) for node, _ in hosts])
        if any([host.items for host in fits]) and packing.can_start(template):  # noqa: C419 - quicker so
            yield _NewNodes(packing, template, needs, fits, search)


class _NewNodes(Struct):
    """Nodes that one group can start."""

    packing: Packing
    template: Template
    needs: Sequence[Need]
    fits: tuple[Suited, ...]
    """For each kind of host, the needs that it could take."""
    search: Search

    def room(self) -> int:
        return self.packing.can_start(self.template)

    def offer(self, left: Sequence[int]) -> Offer:
        """What the next replica would take."""
        space, template = self.packing.space, self.template
        score: tuple[float, ...] = ()
        remaining = left
        hosts: list[tuple[NodeShape, Load, int]] = []
        takes: dict[int, int] = {}
        for (node, count), fits in zip(template.hosts, self.fits, strict=True):
            fits.prune(left)
            unfilled = count
            while unfilled:
                load, free = fill(space, node.total, fits, remaining)
                if not load:
                    break
                score = score or _score(space, template, node, self.needs, load, free)
                if template.group.num_of_hosts == 1:
                    return Offer(load, score, ((node, load, 1),))
                remaining = list(remaining)
                equal = min(unfilled, *(remaining[at] // n for at, n in load))
                hosts.append((node, load, equal))
                unfilled -= equal
                for at, n in load:
                    takes[at] = takes.get(at, 0) + n * equal
                    remaining[at] -= n * equal
            if unfilled:
                hosts.append((node, (), unfilled))
        return Offer(tuple(takes.items()), score, tuple(hosts)) if takes else Offer()

    def take(self, offer: Offer, times: int) -> None:
        """Start `times` replicas."""
        packing = self.packing
        packing.start(self.template, times)
        for node, load, count in offer.hosts:
            nodes = packing.load(self.template.nodes(node, Tier.NEW, count * times), self.needs, load)
            if self.search.last:
                packing.bins.append(nodes)
            else:
                packing.add(nodes)


def _score(
    space: Space,
    template: Template,
    node: NodeShape,
    needs: Sequence[Need],
    load: Load,
    free: Sequence[int],
    /,
) -> tuple[float, ...]:
    """Larger for a group that suits the load better; of equals by priority, then by size."""
    rank, spared, *rest = utilisation(
        space,
        node.kind,
        node.total,
        template.other_resources,
        needs,
        load,
        free,
        idle_accelerator=template.gpus > 0,
    )
    taken = sum(n for _, n in load)
    return (rank, spared, -template.depth, *rest, template.group.priority, taken, -template.extent)
