"""Which nodes to start: again and again those that the waiting work fills best."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rayfleet.autoscaling.decision import Tier
from rayfleet.autoscaling.demand.needs import Need, Space
from rayfleet.autoscaling.placing.capacity import Bin, Node, Template
from rayfleet.autoscaling.placing.packing import Packing
from rayfleet.autoscaling.placing.scoring import Load, Suited, fill, suited, unchanged_for, utilisation

_BEGUN: Final = 30
"""Steps that each kind of node takes by itself, whatever the needs are."""
_LOOKED_AT: Final = 6
"""Steps that it takes to see whether a kind of node could take a need at all."""
_OFFERED: Final = 30
"""Steps that it takes to make an offer, besides filling its nodes."""
_FILLED: Final = 4
"""Steps that it takes to see how many of a need a node takes besides what it has."""

_COMPARED: Final = 3
"""Steps that it takes to compare one offer with the best."""


class Offer(NamedTuple):
    """What one more replica of a group would take."""

    hosts: tuple[tuple[Node, Load, int], ...]
    """What its hosts get, equal ones as one with a count."""
    takes: Load
    """All of them together."""
    score: tuple[float, ...]

    def holds(self, left: Sequence[int]) -> bool:
        """Whether there is still as much left as it would take, so that it would take just this."""
        return all(left[at] >= n for at, n in self.takes)


def start_nodes(packing: Packing, needs: Sequence[Need], left: list[int], usable: Sequence[Template]) -> None:
    """Start nodes of the usable groups for what is left of each need, and place it there."""
    space = packing.space
    fits, offers = _offers(packing, needs, left, usable)
    while offers and not space.effort.spent:
        space.effort.spend(_COMPARED * len(offers))
        index = max(offers, key=lambda one: (offers[one].score, -one))
        template, offer = packing.templates[index], offers[index]
        if not packing.can_start(template):
            del offers[index]
            continue
        if packing.thorough:
            stale = [one for one in offers if not offers[one].holds(left)]
        else:
            # Offers get worse as demand is placed, nearly always: those behind the best can wait.
            stale = [] if offer.holds(left) else [index]
        for one in stale:
            offers[one] = _offer(space, packing.templates[one], needs, fits[one], left)
            if not offers[one].takes:
                del offers[one]
        if stale:
            continue
        others = [one.takes for one in offers.values()] if packing.thorough else ()
        replicas = min(packing.can_start(template), unchanged_for(offer.takes, others, left))
        _open(packing, template, offer, replicas, needs)
        for at, n in offer.takes:
            left[at] -= n * replicas


def _offers(
    packing: Packing, needs: Sequence[Need], left: Sequence[int], usable: Sequence[Template]
) -> tuple[dict[int, tuple[Suited, ...]], dict[int, Offer]]:
    """By group: the needs that its nodes could take, and what the next replica would take.

    Groups that would take nothing are left out at once: of a hundred groups most are none for one need.
    """
    space = packing.space
    each = _BEGUN + (_LOOKED_AT + space.width) * len(needs)
    fits: dict[int, tuple[Suited, ...]] = {}
    offers: dict[int, Offer] = {}
    for template in usable:
        if space.effort.spent:
            break
        hosts = template.hosts
        space.effort.spend(each * len(hosts))
        of = tuple([suited(space, needs, *node) for node, _ in hosts])
        if any([fitting.items for fitting in of]) and packing.can_start(template):  # noqa: C419 - quicker so
            offer = _offer(space, template, needs, of, left)
            if offer.takes:
                fits[template.index], offers[template.index] = of, offer
    return fits, offers


def _offer(
    space: Space, template: Template, needs: Sequence[Need], of: Sequence[Suited], left: Sequence[int]
) -> Offer:
    space.effort.spend(_OFFERED)
    score: tuple[float, ...] = ()
    remaining = left
    hosts: list[tuple[Node, Load, int]] = []
    takes: dict[int, int] = {}
    for (node, count), fitting in zip(template.hosts, of, strict=True):
        fitting.prune(left)
        unfilled = count
        while unfilled:
            space.effort.spend((_FILLED + space.width) * len(fitting.items) + len(node.total))
            load, free = fill(node.total, fitting, remaining)
            if not load:
                break
            score = score or _score(space, template, node, needs, load, free)
            if template.group.num_of_hosts == 1:
                return Offer(((node, load, 1),), load, score)
            remaining = list(remaining)
            equal = min(unfilled, *(remaining[at] // n for at, n in load))
            hosts.append((node, load, equal))
            unfilled -= equal
            for at, n in load:
                takes[at] = takes.get(at, 0) + n * equal
                remaining[at] -= n * equal
        if unfilled:
            hosts.append((node, (), unfilled))
    return Offer(tuple(hosts), tuple(takes.items()), score) if takes else Offer((), (), ())


def _score(
    space: Space,
    template: Template,
    node: Node,
    needs: Sequence[Need],
    load: Load,
    free: Sequence[int],
    /,
) -> tuple[float, ...]:
    """Larger for a group that suits the load better; between equals the priority decides, then the size."""
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


def _open(packing: Packing, template: Template, offer: Offer, replicas: int, needs: Sequence[Need]) -> None:
    packing.start(template, replicas)
    for node, load, count in offer.hosts:
        free = list(node.total)
        gang, accelerator_work = -1, False
        for at, n in load:
            need = needs[at]
            packing.note(need, template.index, Tier.NEW, n * count * replicas)
            gang = max(gang, need.gang)
            accelerator_work |= need.wants_accelerator
            for dimension, amount in need.amounts:
                free[dimension] -= amount * n
        packing.add(
            Bin(
                template.index,
                Tier.NEW,
                node.kind,
                tuple(free),
                node.total,
                count * replicas,
                (),
                tuple([(needs[at].entry, n) for at, n in load]),
                gang,
                template.gpus > 0,
                accelerator_work,
            )
        )
