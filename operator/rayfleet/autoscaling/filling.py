"""Placing work on nodes that are there, node by node: again and again the one that it fills best.

It looks at what a node can hold together, where `packing.place` looks at one request at a time. Neither is
always better. This is the slower one, for small clusters.
"""

from collections.abc import Sequence

from rayfleet.autoscaling.capacity import HEAD, Bin
from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand import Need, Space
from rayfleet.autoscaling.opening import Load, fill, suits, utilisation
from rayfleet.autoscaling.packing import Packing, loaded


def fill_nodes(packing: Packing, needs: Sequence[Need], left: list[int], *, blocked: bool = False) -> None:
    """Place what is left of each need on the nodes there are, and lower it."""
    space = packing.space
    done: list[Bin] = []
    offers: list[tuple[Bin, list[int]]] = []
    for one in packing.bins:
        if (one.tier is Tier.BLOCKED) is blocked and (suited := _fitting(space, one, needs)):
            offers.append((one, suited))
        else:
            done.append(one)
    while any(left) and (best := _best(packing, offers, needs, left)):
        place, load = best
        one, suited = offers[place]
        nodes = min(one.size, *(left[at] // n for at, n in load))
        done.append(_take(packing, one, needs, load, nodes))
        for at, n in load:
            left[at] -= n * nodes
        if nodes < one.size:
            offers[place] = (one._replace(size=one.size - nodes, members=one.members[nodes:]), suited)
        else:
            del offers[place]
    packing.bins = []
    for one in (*done, *(one for one, _ in offers)):
        packing.add(one)


def _best(
    packing: Packing, offers: Sequence[tuple[Bin, list[int]]], needs: Sequence[Need], left: Sequence[int]
) -> tuple[int, Load] | None:
    """Which of the nodes is filled best, and with what."""
    best: tuple[tuple[float, ...], int, Load] | None = None
    for place, (one, suited) in enumerate(offers):
        load, free = fill(one.free, needs, {at: left[at] for at in suited if left[at]})
        if load:
            score = (*_score(packing, one, needs, load, free), -place)
            if best is None or score > best[0]:
                best = (score, place, load)
    return best[1:] if best else None


def _fitting(space: Space, one: Bin, needs: Sequence[Need]) -> list[int]:
    return [
        at
        for at, need in enumerate(needs)
        if suits(space, need, one.free, one.kind) and not -1 < need.gang == one.gang
    ]


def _score(
    packing: Packing, one: Bin, needs: Sequence[Need], load: Load, free: Sequence[int]
) -> tuple[float, ...]:
    others = packing.templates[one.group].other_resources if one.group != HEAD else 0
    return utilisation(packing.space, one.kind, one.total, others, needs, load, free)


def _take(packing: Packing, one: Bin, needs: Sequence[Need], load: Load, nodes: int) -> Bin:
    part = one._replace(size=nodes, members=one.members[:nodes])
    for at, n in load:
        packing.note(needs[at], one.group, one.tier, n * nodes)
        part = loaded(part, needs[at], n, 0, nodes)
    return part
