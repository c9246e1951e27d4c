"""How long pods that ended at once are left before they are replaced."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.pod_words import end_words
from rayfleet.kinds.raycluster.snapshot import Settling, Snapshot
from rayfleet.kube.objects.pods import Pod

SHORTEST_LIFE = 10.0
"""Seconds. A pod that ends sooner is replaced this long after its creation, so that one that cannot
start at all costs one pod every ten seconds and not as many as the API server will take."""
LONGEST_ROUND = 300.0
"""Seconds between tries, however often a group has failed."""
T = TypeVar("T")


def settles_in(pod: Pod, now: float) -> float:
    """Seconds until an ended pod may be replaced; 0 or less: now.

    A pod that was created in the future was created by another clock, and nobody can say how long ago.
    """
    left = pod.created + SHORTEST_LIFE - now
    return left if left <= 2 * SHORTEST_LIFE else 0.0


@dataclass(slots=True)
class Ended(Generic[T]):
    """What of a group has ended, pods or replicas of several."""

    due: list[T] = field(default_factory=list)
    """To be replaced now."""
    left: list[T] = field(default_factory=list)
    """In their place for now."""
    later: float | None = None
    """Seconds until the next of them is due."""
    words: str = ""
    """Why they are left."""


def sort_ended(
    snapshot: Snapshot, group: str, units: Sequence[T], pods_of: Callable[[T], Sequence[Pod]], noun: str
) -> Ended[T]:
    """Which of the ended `units` of a group are replaced now: a few, where it fails again and again."""
    found: Ended[T] = Ended()
    if not units:
        return found  # As it is nearly always.
    now, settling = snapshot.now, snapshot.settling.get(group)
    failing, looks = [], []
    for unit in units:
        pods = pods_of(unit)
        wait = max((settles_in(pod, now) for pod in pods if pod.ended), default=0.0)
        if wait > 0:
            found.left.append(unit)
            looks.append(wait)
        elif settling is not None and any(pod.uid in settling.ended for pod in pods):
            failing.append(unit)
        else:
            found.due.append(unit)
    if settling is not None:
        waits = settling.until > now
        tried = 0 if waits else max(len(failing) >> (settling.rounds - 1), 1)
        found.due += failing[:tried]
        found.left += failing[tried:]
        looks += [settling.until - now] * (waits and bool(failing))
    found.later = min(looks, default=None)
    found.words = _words(found.left, settling, pods_of, group, noun) if found.left else ""
    return found


def _words(
    left: Sequence[T], settling: Settling | None, pods_of: Callable[[T], Sequence[Pod]], group: str, noun: str
) -> str:
    whose = "its" if len(left) == 1 else "their"
    ended = f"{counted(len(left), noun)} ended soon after {whose} start"
    if settling is None:
        return ended
    why = next((why for unit in left for pod in pods_of(unit) if (why := end_words(pod))), "")
    row = f"{settling.rounds} times in a row{f' ({why})' if why else ''}"
    return f"{group}: {ended}, {row}: tried again in steps of {round_seconds(settling.rounds):g} s"


def round_seconds(rounds: int) -> float:
    """How long a group is left alone that has failed so often in a row."""
    return min(SHORTEST_LIFE * 2.0 ** (min(rounds, 30) - 1), LONGEST_ROUND)
