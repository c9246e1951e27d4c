"""Which nodes to start: again and again those that the waiting work fills best."""

from collections.abc import Sequence
from typing import NamedTuple

from rayfleet.autoscaling.capacity import Bin, Template
from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand import Kind, Need, Space, Vector
from rayfleet.autoscaling.packing import Packing

Load = tuple[tuple[int, int], ...]
"""(position of a need, how many on one node)."""


class Offer(NamedTuple):
    """What one more replica of a group would take."""

    hosts: tuple[tuple[Load, int], ...]
    """What its hosts get, equal ones as one with a count."""
    takes: dict[int, int]
    """By position of the need: how many."""
    score: tuple[float, ...]


def start_nodes(packing: Packing, needs: Sequence[Need], left: list[int], usable: Sequence[Template]) -> None:
    """Start nodes of the usable groups for what is left of each need, and place it there."""
    offers: dict[int, Offer] = {}
    fitting = {template.index: _fitting(packing.space, template, needs) for template in usable}
    while True:
        candidates = []
        for template in usable:
            if not packing.can_start(template):
                continue
            offer = offers.get(template.index)
            if offer is None or any(left[at] < n for at, n in offer.takes.items()):
                offer = _offer(packing.space, template, needs, fitting[template.index], left)
                offers[template.index] = offer
            if offer.takes:
                candidates.append((offer.score, -template.index, template, offer))
        if not candidates:
            return
        _, _, template, offer = max(candidates, key=lambda one: one[:2])
        replicas = min(packing.can_start(template), *(left[at] // n for at, n in offer.takes.items()))
        _open(packing, template, offer, replicas, needs)
        for at, n in offer.takes.items():
            left[at] -= n * replicas


def suits(space: Space, need: Need, room: Sequence[int], kind: Kind) -> bool:
    """Whether a node with this much room and these labels could take the need at all."""
    for dimension, amount in need.amounts:
        if room[dimension] < amount:
            return False
    return space.rank(need.shape.selectors, kind) >= 0


def _fitting(space: Space, template: Template, needs: Sequence[Need]) -> list[int]:
    """Positions of the needs that one node of the group could take at all."""
    return [at for at, need in enumerate(needs) if suits(space, need, template.total, template.kind)]


def _offer(
    space: Space, template: Template, needs: Sequence[Need], fitting: Sequence[int], left: Sequence[int]
) -> Offer:
    remaining = {at: left[at] for at in fitting if left[at]}
    hosts: list[tuple[Load, int]] = []
    takes: dict[int, int] = {}
    score: tuple[float, ...] = ()
    unfilled = template.group.num_of_hosts
    while unfilled:
        load, free = fill(template.total, needs, remaining)
        if not load:
            break
        if not hosts:
            score = _score(space, template, needs, load, free)
        equal = min(unfilled, *(remaining[at] // n for at, n in load))
        hosts.append((load, equal))
        unfilled -= equal
        for at, n in load:
            takes[at] = takes.get(at, 0) + n * equal
            remaining[at] -= n * equal
    if unfilled and hosts:
        hosts.append(((), unfilled))
    return Offer(tuple(hosts), takes, score)


def fill(room: Vector, needs: Sequence[Need], remaining: dict[int, int]) -> tuple[Load, list[int]]:
    """What one node takes of the remaining needs, in their order, and what it has left then."""
    free = list(room)
    load = []
    gangs = set[int]()
    for at, most in remaining.items():
        need = needs[at]
        if need.gang >= 0:
            if need.gang in gangs:
                continue
            most = min(most, 1)  # noqa: PLW2901 - one of a gang on each node
        for dimension, amount in need.amounts:
            fits = free[dimension] // amount
            if fits < most:
                most = fits  # noqa: PLW2901 - the scarcest resource decides
                if not most:
                    break
        if most:
            load.append((at, most))
            if need.gang >= 0:
                gangs.add(need.gang)
            for dimension, amount in need.amounts:
                free[dimension] -= amount * most
    return tuple(load), free


def _score(
    space: Space, template: Template, needs: Sequence[Need], load: Load, free: Sequence[int]
) -> tuple[float, ...]:
    """Larger for a group that suits the load better; the priority decides between equals."""
    rank, spared, *rest = utilisation(
        space, template.kind, template.total, template.other_resources, needs, load, free
    )
    return (rank, spared, -template.depth, *rest, template.group.priority)


def utilisation(
    space: Space,
    kind: Kind,
    total: Vector,
    others: int,
    needs: Sequence[Need],
    load: Load,
    free: Sequence[int],
    /,
) -> tuple[float, ...]:
    """Larger for a node that suits the load better.

    As Ray ranks nodes: labels of the first choice, no GPU node for work without GPUs, more of its resources
    used, used more fully (absolute amounts, so a larger node wins when it is as full). `others` is how many
    resources it has that nobody asks for.
    """
    chosen = next((one for at, _ in load if (one := needs[at].shape.selectors)), ())
    rank = len(chosen) - space.rank(chosen, kind) if chosen else 0
    spared = not total[space.gpu] or any(needs[at].wants_gpu for at, _ in load)
    asked = {d for at, _ in load for d, _ in needs[at].amounts}
    used = [all_ * ((all_ - rest) / all_) ** 3 for all_, rest in zip(total, free, strict=True) if all_]
    kinds = len(used) + others
    return (
        rank,
        spared,
        len(asked),
        min(used, default=0) if not others else 0,
        round(sum(used) / kinds, 6) if kinds else 0,
    )


def _open(packing: Packing, template: Template, offer: Offer, replicas: int, needs: Sequence[Need]) -> None:
    packing.start(template, replicas)
    for load, count in offer.hosts:
        free = list(template.total)
        gang = -1
        for at, n in load:
            need = needs[at]
            packing.note(need, template.index, Tier.NEW, n * count * replicas)
            gang = max(gang, need.gang)
            for dimension, amount in need.amounts:
                free[dimension] -= amount * n
        packing.add(
            Bin(
                template.index,
                Tier.NEW,
                template.kind,
                tuple(free),
                template.total,
                count * replicas,
                (),
                tuple((needs[at].entry, n) for at, n in load),
                gang,
            )
        )
