"""Places work on existing nodes, node by node: each time on the node that it fills best.

It considers everything that a node can hold together, while `packing.place` considers one request at a time.
Neither is always better. This one is slower, and meant for small clusters.
"""

from collections.abc import Sequence

from msgspec import Struct

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Need
from rayfleet.autoscaling.placing.capacity import HEAD, Bin
from rayfleet.autoscaling.placing.greedy import Offer, place_best_first
from rayfleet.autoscaling.placing.packing import Packing, Search
from rayfleet.autoscaling.placing.scoring import Suited, fill, suited, utilisation


def fill_nodes(
    packing: Packing, needs: Sequence[Need], left: list[int], search: Search, *, blocked: bool
) -> None:
    """Place what is left of each need on existing nodes, and lower `left`."""
    done: list[Bin] = []
    existing: list[_ExistingNodes] = []
    for each in packing.bins:
        fits = suited(packing.space, needs, each.free, each.kind, each.gang)
        if fits.items and (each.tier is Tier.BLOCKED) is blocked:
            existing.append(_ExistingNodes(packing, needs, each, fits, done))
        else:
            done.append(each)
    place_best_first(existing, left, packing.effort, thorough=search.thorough)
    done += [each.nodes for each in existing if each.nodes.size]
    if search.last:
        packing.bins = done
    else:
        packing.put_in_order(done)


class _ExistingNodes(Struct):
    """Equal nodes that exist."""

    packing: Packing
    needs: Sequence[Need]
    nodes: Bin
    """Those on which nothing has been placed yet."""
    fits: Suited
    done: list[Bin]
    """Collects the nodes on which something has been placed."""

    def room(self) -> int:
        return self.nodes.size

    def offer(self, left: Sequence[int]) -> Offer:
        packing, nodes = self.packing, self.nodes
        self.fits.prune(left)
        load, free = fill(packing.space, nodes.free, self.fits, left)
        if not load:
            return Offer()
        others = packing.templates[nodes.group].other_resources if nodes.group != HEAD else 0
        idle = nodes.accelerated and not nodes.accelerator_work
        look = (packing.space, nodes.kind, nodes.total, others, self.needs, load, free)
        return Offer(load, utilisation(*look, idle_accelerator=idle))

    def take(self, offer: Offer, times: int) -> None:
        nodes = self.nodes
        part = nodes._replace(size=times, members=nodes.members[:times])
        self.done.append(self.packing.load(part, self.needs, offer.takes))
        self.nodes = nodes._replace(size=nodes.size - times, members=nodes.members[times:])
