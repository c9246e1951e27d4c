"""Gives out work, each time to the nodes that it suits best, existing ones or new ones."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from rayfleet.autoscaling.effort import Effort
from rayfleet.autoscaling.placing.capacity import NodeShape
from rayfleet.autoscaling.placing.scoring import Load, unchanged_for

_OFFERED: Final = 30
"""Steps for making an offer, besides filling its nodes."""
_COMPARED: Final = 3
"""Steps for comparing one offer with the best."""


class Offer(NamedTuple):
    """What a candidate would take at one time."""

    takes: Load = ()
    """Empty if it has room for nothing of what is left."""
    score: tuple[float, ...] = ()
    """Larger if the work suits it better."""
    hosts: tuple[tuple[NodeShape, Load, int], ...] = ()
    """For a group, what the hosts of a new replica get; equal ones as one entry with a count."""

    def holds(self, left: Sequence[int]) -> bool:
        """Whether at least as much is left as it would take, so that the offer still stands."""
        return all(left[at] >= n for at, n in self.takes)


class Candidate(Protocol):
    """Equal nodes that may take work."""

    def room(self) -> int:
        """How many times its offer may be taken."""

    def offer(self, left: Sequence[int]) -> Offer:
        """What one of them would take of what is left of each need."""

    def take(self, offer: Offer, times: int) -> None:
        """Place the offer on `times` of them."""


def place_best_first(
    candidates: Iterable[Candidate], left: list[int], effort: Effort, *, thorough: bool
) -> None:
    """Give out what is left of each need, and lower `left`. Of equal candidates the first one is taken.

    `thorough`: ask all candidates again after each step. Otherwise only the best is asked again: offers
    nearly always get worse as work is given out, so those behind the best can wait.
    """
    by_place = dict[int, Candidate]()
    offers = dict[int, Offer]()
    for place, candidate in enumerate(candidates):
        by_place[place] = candidate
        _ask(candidate, place, offers, left, effort)
    while offers and not effort.spent:
        effort.spend(_COMPARED * len(offers))
        # Of equal offers `max` takes the first, and they are in order of place.
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
        others = [other.takes for other in offers.values()] if thorough else ()
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
    """Record the candidate's offer, unless it would take nothing."""
    effort.spend(_OFFERED)
    offer = candidate.offer(left)
    if offer.takes:
        offers[place] = offer
    else:
        offers.pop(place, None)
