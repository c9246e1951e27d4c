"""Giving out work: again and again to the nodes that it suits best, be they there or still to be started."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from rayfleet.autoscaling.effort import Effort
from rayfleet.autoscaling.placing.capacity import NodeShape
from rayfleet.autoscaling.placing.scoring import Load, unchanged_for

_OFFERED: Final = 30
"""Steps that it takes to make an offer, besides filling its nodes."""
_COMPARED: Final = 3
"""Steps that it takes to compare one offer with the best."""


class Offer(NamedTuple):
    """What a candidate would take, once."""

    takes: Load = ()
    """Nothing where it has no room for any of what is left."""
    score: tuple[float, ...] = ()
    """Larger for one that the work suits better."""
    hosts: tuple[tuple[NodeShape, Load, int], ...] = ()
    """Of a group: what the hosts of a new replica get, equal ones as one with a count."""

    def holds(self, left: Sequence[int]) -> bool:
        """Whether there is still as much left as it would take, so that it would take just this."""
        return all(left[at] >= n for at, n in self.takes)


class Candidate(Protocol):
    """Equal nodes that may take work."""

    def room(self) -> int:
        """How often what it offers may be taken."""

    def offer(self, left: Sequence[int]) -> Offer:
        """What one of them would take of what is left of each need."""

    def take(self, offer: Offer, times: int) -> None:
        """Place that on so many of them."""


def place_best_first(
    candidates: Iterable[Candidate], left: list[int], effort: Effort, *, thorough: bool
) -> None:
    """Give out what is left of each need, and lower it. Between equal candidates the first one is taken.

    `thorough`: look at all candidates again after each step. Else only the best is looked at again: offers
    get worse as work is given out, nearly always, so those behind the best can wait.
    """
    by_place = dict[int, Candidate]()
    offers = dict[int, Offer]()
    for place, one in enumerate(candidates):
        by_place[place] = one
        _ask(one, place, offers, left, effort)
    while offers and not effort.spent:
        effort.spend(_COMPARED * len(offers))
        # Of equal ones `max` takes the first, and they are in the order of their places.
        best, offer = max(offers.items(), key=_score)
        candidate = by_place[best]
        room = candidate.room()
        if not room:
            del offers[best]
            continue
        stale = [place for place in (offers if thorough else (best,)) if not offers[place].holds(left)]
        for place in stale:
            _ask(by_place[place], place, offers, left, effort)
        if stale:
            continue
        others = [one.takes for one in offers.values()] if thorough else ()
        times = min(room, unchanged_for(offer.takes, others, left))
        candidate.take(offer, times)
        for at, n in offer.takes:
            left[at] -= n * times
        if times == room:
            del offers[best]


def _score(item: tuple[int, Offer]) -> tuple[float, ...]:
    return item[1].score


def _ask(
    candidate: Candidate, place: int, offers: dict[int, Offer], left: Sequence[int], effort: Effort
) -> None:
    """Have its offer among the others, unless it would take nothing."""
    effort.spend(_OFFERED)
    offer = candidate.offer(left)
    if offer.takes:
        offers[place] = offer
    else:
        offers.pop(place, None)
