"""Groups whose pods repeatedly end soon after they start: how long they are left alone. Pure.

Each round takes twice as long as the previous one and tries half as many pods, so a group that cannot start
costs few writes, however large it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final

from msgspec import Struct, field

from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.raycluster.actions import Cause, DeletePod
from rayfleet.kinds.raycluster.healing.lifetime import SHORTEST_LIFE, round_seconds
from rayfleet.kinds.raycluster.snapshot import Settling
from rayfleet.kube.objects.pods import Pod

SOON: Final = 60.0
"""Seconds. A pod that runs at least this long has not ended soon after its start."""
FORGET_SECONDS: Final = 600.0
"""A group is forgotten this long after its last pod that ended soon."""


class _Group(Struct):
    last: float
    """When one of its pods was last seen to have ended soon."""
    rounds: int = 1
    until: float = 0.0
    counted: bool = True
    """This round has already counted as failed: further pods that end do not count again."""
    known: int = -1
    """The highest pod number when the last round began: pods above it belong to the round."""
    proven_since: float | None = None
    """Since when a pod of the last round has been ready."""
    ended: frozenset[str] = frozenset()
    """Uids of existing pods that ended soon."""


class Endings(Struct):
    """The failing groups by name. All times are by the snapshots' clock."""

    _groups: dict[str, _Group] = field(default_factory=dict)

    def matter(self, pods: Iterable[Pod]) -> bool:
        """Whether these pods are of interest; nearly always they are not."""
        return bool(self._groups) or any(map(_has_ended, pods))

    def see(self, pods: Sequence[Pod], now: float) -> None:
        """Record which pods exist."""
        if not self.matter(pods):
            return
        ended: dict[str, dict[str, int]] = {}
        for pod in pods:
            known = self._groups.get(pod.group)
            if _ended_soon(pod, now) or (known is not None and pod.uid in known.ended):
                ended.setdefault(pod.group, {})[pod.uid] = _number(pod)
        for name, numbers in ended.items():
            known = self._groups.get(name)
            if known is None or now - known.last > FORGET_SECONDS:
                self._groups[name] = _Group(now, ended=frozenset(numbers))
            elif numbers.keys() - known.ended:
                known.last = now
                if not known.counted and max(numbers.values()) > known.known:
                    known.rounds, known.counted = known.rounds + 1, True
                    known.until = now + round_seconds(known.rounds)
        for name, group in list(self._groups.items()):
            group.ended = frozenset(ended.get(name, ()))
            if _is_over(group, (pod for pod in pods if pod.group == name), now):
                del self._groups[name]

    def learn(self, outcomes: Iterable[Outcome], pods: Iterable[Pod], now: float) -> None:
        """Record that ended pods were replaced, which begins the next round."""
        done = [outcome.action for outcome in outcomes if isinstance(outcome, Succeeded)]
        deleted = {
            action.uid: action.group
            for action in done
            if isinstance(action, DeletePod) and action.cause is Cause.ENDED
        }
        for uid, name in deleted.items():
            group = self._groups.get(name)
            if group is not None and uid in group.ended and (group.counted or group.until <= now):
                group.counted, group.proven_since = False, None
                group.until = now + round_seconds(group.rounds)
                group.known = max((_number(pod) for pod in pods if pod.group == name), default=0)

    @property
    def settling(self) -> Mapping[str, Settling]:
        """Groups that have failed more than once in a row and have pods to replace."""
        return {
            name: Settling(group.until, group.rounds, group.ended)
            for name, group in self._groups.items()
            if group.rounds > 1 and group.ended
        }

    def looks(self, now: float) -> Iterator[float]:
        """Seconds until a group may have proven itself."""
        for group in self._groups.values():
            if group.proven_since is not None and group.ended:
                yield max(group.proven_since + SOON - now, 0.0)

    def clear(self) -> None:
        """Forget everything, because the spec has changed."""
        self._groups.clear()


_has_ended = attrgetter("ended")


def _is_over(group: _Group, pods: Iterable[Pod], now: float) -> bool:
    """Whether the last round succeeded, or is long ago."""
    if not any(pod.ready and pod.active and _number(pod) > group.known for pod in pods):
        group.proven_since = None
    elif group.proven_since is None:
        group.proven_since = now
    proven = group.proven_since is not None and now - group.proven_since >= SOON
    return proven or (not group.ended and now - group.last > FORGET_SECONDS)


def _ended_soon(pod: Pod, now: float) -> bool:
    """By the kubelet's times if known, because they come from one clock. Pods set aside do not count."""
    if not pod.ended or pod.deleting or pod.aside:
        return False
    ran = pod.end.ran if pod.end is not None else None
    return ran < SOON if ran is not None else now - pod.created < SHORTEST_LIFE


def _number(pod: Pod) -> int:
    """Which pods are newer: the n of a worker, the epoch of a head."""
    return pod.index or pod.head_epoch or 0
