"""Placing work on nodes that are there, node by node: again and again the one that it fills best.

It looks at what a node can hold together, where `packing.place` looks at one request at a time. Neither is
always better. This is the slower one, for small clusters.
"""

from collections.abc import Sequence
from typing import Final

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Need
from rayfleet.autoscaling.placing.capacity import HEAD, Bin
from rayfleet.autoscaling.placing.packing import Packing, loaded
from rayfleet.autoscaling.placing.scoring import Load, Suited, fill, suited, unchanged_for, utilisation

_FILLED: Final = 6
"""Steps that it takes to see how many of a need a node takes besides what it has."""


def fill_nodes(packing: Packing, needs: Sequence[Need], left: list[int], *, blocked: bool = False) -> None:
    """Place what is left of each need on the nodes there are, and lower it."""
    done: list[Bin] = []
    open_: list[tuple[Bin, Suited]] = []
    for one in packing.bins:
        of = suited(packing.space, needs, one.free, one.kind, one.gang)
        if of.items and (one.tier is Tier.BLOCKED) is blocked:
            open_.append((one, of))
        else:
            done.append(one)
    while any(left) and not packing.effort.spent:
        packing.effort.spend((_FILLED + packing.space.width) * sum(len(of.items) for _, of in open_))
        loads = [fill(one.free, of, left) for one, of in open_]
        places = [place for place, (load, _) in enumerate(loads) if load]
        if not places:
            break
        best = max(places, key=lambda at: (_score(packing, open_[at][0], needs, *loads[at]), -at))
        one, of = open_[best]
        load = loads[best][0]
        nodes = min(one.size, unchanged_for(load, (loads[place][0] for place in places), left))
        done.append(_take(packing, one, needs, load, nodes))
        for at, n in load:
            left[at] -= n * nodes
        if nodes < one.size:
            open_[best] = (one._replace(size=one.size - nodes, members=one.members[nodes:]), of)
        else:
            del open_[best]
    packing.bins = []
    for one in (*done, *(one for one, _ in open_)):
        packing.add(one)


def _score(
    packing: Packing, one: Bin, needs: Sequence[Need], load: Load, free: Sequence[int]
) -> tuple[float, ...]:
    others = packing.templates[one.group].other_resources if one.group != HEAD else 0
    idle = one.accelerated and not one.accelerator_work
    return utilisation(packing.space, one.kind, one.total, others, needs, load, free, idle_accelerator=idle)


def _take(packing: Packing, one: Bin, needs: Sequence[Need], load: Load, nodes: int) -> Bin:
    part = one._replace(size=nodes, members=one.members[:nodes])
    for at, n in load:
        packing.note(needs[at], one.group, one.tier, n * nodes)
        part = loaded(part, needs[at], n, 0, nodes)
    return part
