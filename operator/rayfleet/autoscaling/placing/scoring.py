"""What one node would take of the waiting work, and how well that suits the node."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from rayfleet.autoscaling.demand.needs import Kind, Need, Space, Vector

Load: TypeAlias = tuple[tuple[int, int], ...]
"""(position of a need, how many on one node)."""

_PRUNED_EVERY: Final = 16
_FILLED: Final = 4
"""Steps for finding out how many requests of one need a node can still take."""

Item: TypeAlias = tuple[int, int, int, int, tuple[tuple[int, int], ...]]
"""(position, gang, the resource of which it takes the largest share, how much of it, all amounts)."""


class Suited(Struct):
    """The needs that one kind of node could take, in order."""

    items: list[Item]
    least: tuple[tuple[int, int], ...]
    """(dimension, amount): with less than this of any of these, a node can take nothing more."""
    uses: int = 0

    def prune(self, left: Sequence[int]) -> None:
        """Every few calls, drop the needs of which nothing is left."""
        self.uses += 1
        if self.uses % _PRUNED_EVERY == 0:
            self.items = [item for item in self.items if left[item[0]]]


def _least(items: Sequence[Item]) -> tuple[tuple[int, int], ...]:
    least = dict(items[0][4]) if items else {}
    for item in items:
        asked = dict(item[4])
        least = {d: min(amount, asked[d]) for d, amount in least.items() if d in asked}
        if not least:
            break
    return tuple(least.items())


def suits(space: Space, need: Need, room: Sequence[int], kind: Kind) -> bool:
    """Whether a node with this much room and these labels could take the need at all."""
    for dimension, amount in need.amounts:
        if room[dimension] < amount:
            return False
    return not need.shape.selectors or space.rank(need.shape.selectors, kind) >= 0


def suited(space: Space, needs: Iterable[Need], room: Sequence[int], kind: Kind, gang: int = -1) -> Suited:
    """The needs that a node could take. `gang`: the node has a bundle of it, and may not get another."""
    items: list[Item] = []
    for at, need in enumerate(needs):
        if not need.copies or not suits(space, need, room, kind) or -1 < need.gang == gang:
            continue
        scarce, least, share = 0, 0, 0.0
        for dimension, amount in need.amounts:
            if amount / room[dimension] > share:
                scarce, least, share = dimension, amount, amount / room[dimension]
        items.append((at, need.gang, scarce, least, need.amounts))
    return Suited(items, _least(items))


def fill(space: Space, room: Vector, fits: Suited, left: Sequence[int]) -> tuple[Load, list[int]]:
    """What one node takes of what is left of each need, in order, and the room that it has then."""
    space.effort.spend((_FILLED + space.width) * len(fits.items) + len(room))
    free, load, gangs = list(room), [], set[int]()
    for at, gang, scarce, least, amounts in fits.items:
        if free[scarce] < least or not left[at] or gang in gangs:
            continue
        most = min([left[at], *[free[dimension] // amount for dimension, amount in amounts]])
        if most:
            if gang >= 0:
                gangs.add(gang)
                most = 1
            load.append((at, most))
            for dimension, amount in amounts:
                free[dimension] -= amount * most
            if any([free[d] < amount for d, amount in fits.least]):  # noqa: C419 - a list is quicker here
                break
    return tuple(load), free


def utilisation(  # noqa: PLR0913 - a node and what it would hold
    space: Space,
    kind: Kind,
    total: Vector,
    others: int,
    needs: Sequence[Need],
    load: Load,
    free: Sequence[int],
    /,
    *,
    idle_accelerator: bool = False,
) -> tuple[float, ...]:
    """Larger for a node that suits the load better.

    The order is Ray's: labels of the first choice, no node with an `idle_accelerator` for work that needs
    none, more of its resources used, used more fully (in absolute amounts, so of two equally full nodes the
    larger wins). `others` is how many of its resources nothing asks for.
    """
    chosen = next((selectors for at, _ in load if (selectors := needs[at].shape.selectors)), ())
    rank = len(chosen) - space.rank(chosen, kind) if chosen else 0
    spared = not idle_accelerator or any(needs[at].wants_accelerator for at, _ in load)
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


def unchanged_for(takes: Load, others: Iterable[Load], left: Sequence[int]) -> int:
    """How many times this may be taken, at least once, before what another would take changes."""
    each = dict(takes)
    times = min(left[at] // n for at, n in takes)
    for other in others:
        for at, n in other:
            if at in each:
                times = min(times, max(0, left[at] - n) // each[at] + 1)
    return times
