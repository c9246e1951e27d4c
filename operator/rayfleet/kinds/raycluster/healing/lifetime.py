"""How long pods that ended soon after their start are left before they are replaced."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct, field

from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.pod_words import end_words
from rayfleet.kinds.raycluster.snapshot import Settling, Snapshot
from rayfleet.kube.objects.pods import Pod

SHORTEST_LIFE = 10.0
"""Seconds. A pod that ends sooner is replaced this long after its creation, so that a pod that cannot start
costs one create every ten seconds, not as many as the API server accepts."""
LONGEST_ROUND = 300.0
"""Seconds between attempts, however often a group has failed."""
T = TypeVar("T")


def settles_in(pod: Pod, now: float) -> float:
    """Seconds until an ended pod may be replaced; 0 or less means now.

    A pod created in the future was created by another clock, so its age is unknown.
    """
    left = pod.created + SHORTEST_LIFE - now
    return left if left <= 2 * SHORTEST_LIFE else 0.0


class Ended(Struct, Generic[T]):
    """The ended units of a group: pods, or multi-host replicas."""

    due: list[T] = field(default_factory=list)
    """Units to replace now."""
    left: list[T] = field(default_factory=list)
    """Units that stay for now."""
    later: float | None = None
    """Seconds until the next of them is due."""
    words: str = ""
    """Why they stay."""


def sort_ended(
    snapshot: Snapshot, group: str, units: Sequence[T], pods_of: Callable[[T], Sequence[Pod]], noun: str
) -> Ended[T]:
    """Which of the ended `units` of a group are replaced now: only a few if the group keeps failing."""
    result: Ended[T] = Ended()
    if not units:
        return result  # Nearly always.
    now, settling = snapshot.now, snapshot.settling.get(group)
    failing, looks = [], []
    for unit in units:
        pods = pods_of(unit)
        wait = max((settles_in(pod, now) for pod in pods if pod.ended), default=0.0)
        if wait > 0:
            result.left.append(unit)
            looks.append(wait)
        elif settling is not None and any(pod.uid in settling.ended for pod in pods):
            failing.append(unit)
        else:
            result.due.append(unit)
    if settling is not None:
        waits = settling.until > now
        tried = 0 if waits else max(len(failing) >> (settling.rounds - 1), 1)
        result.due += failing[:tried]
        result.left += failing[tried:]
        looks += [settling.until - now] * (waits and bool(failing))
    result.later = min(looks, default=None)
    result.words = _message(result.left, settling, pods_of, group, noun) if result.left else ""
    return result


def _message(
    left: Sequence[T], settling: Settling | None, pods_of: Callable[[T], Sequence[Pod]], group: str, noun: str
) -> str:
    whose = "its" if len(left) == 1 else "their"
    ended = f"{counted(len(left), noun)} ended soon after {whose} start"
    if settling is None:
        return ended
    why = next((why for unit in left for pod in pods_of(unit) if (why := end_words(pod))), "")
    row = f"{settling.rounds} times in a row{f' ({why})' if why else ''}"
    return f"{group}: {ended}, {row}; the next attempts are {round_seconds(settling.rounds):g} s apart"


def round_seconds(rounds: int) -> float:
    """How long a group is left alone after this number of failed rounds in a row."""
    return min(SHORTEST_LIFE * 2.0 ** (min(rounds, 30) - 1), LONGEST_ROUND)
