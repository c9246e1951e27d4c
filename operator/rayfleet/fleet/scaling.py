"""What scaling does in all clusters together, as of the last pass over each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Final

from msgspec import Struct

from rayfleet.autoscaling import HoldKind, SizeReason, Waiting
from rayfleet.autoscaling.decision import NO_AMOUNTS, RESOURCES, Amounts
from rayfleet.autoscaling.limits import CeilingScope
from rayfleet.kube.objects.keys import Key

UP: Final = "up"
DOWN: Final = "down"
_DECISIONS: Final = (
    *product((UP,), (SizeReason.DEMAND, SizeReason.MINIMUM, SizeReason.METRIC)),
    *product((DOWN,), (SizeReason.IDLE, SizeReason.UNNEEDED, SizeReason.LIMIT)),
    *product((UP, DOWN), (SizeReason.REPLICAS, SizeReason.OTHER)),
)

NO_KINDS: Final[frozenset[HoldKind]] = frozenset()
NO_SCOPES: Final[frozenset[CeilingScope]] = frozenset()
"""Shared, as nearly every cluster has them: an empty set takes 200 bytes."""


class _Queue(Struct, frozen=True):
    """One cluster."""

    uid: str
    waiting: Waiting | None
    kinds: frozenset[HoldKind]
    scopes: frozenset[CeilingScope]


class FleetScaling:
    """Counts what was decided, and knows what waits now. Every count is there from the start, at 0."""

    def __init__(self) -> None:
        self.decisions: Counter[tuple[str, str]] = Counter(dict.fromkeys(_DECISIONS, 0))
        """Decisions that changed the size of a group, by direction and reason."""
        self.ceilings: Counter[CeilingScope] = Counter(dict.fromkeys(CeilingScope, 0))
        """How many times a ceiling has begun to hold something in a cluster."""
        self._queues: dict[Key, _Queue] = {}

    def note(
        self,
        key: Key,
        uid: str,
        waiting: Waiting | None,
        kinds: frozenset[HoldKind],
        scopes: frozenset[CeilingScope],
    ) -> None:
        """Record a pass: what waits (None if the queue is unknown, or not followed), and what holds it."""
        before = self._queues.get(key)
        held = before.scopes if before is not None and before.uid == uid else NO_SCOPES
        self.ceilings.update(scopes - held)
        if waiting is None and not kinds:
            self._queues.pop(key, None)
        else:
            self._queues[key] = _Queue(uid, waiting, kinds, scopes)

    def waiting(self, key: Key, uid: str) -> Waiting | None:
        """What waits in the queue of a cluster; None if that is unknown, or no queue is followed."""
        queue = self._queues.get(key)
        return queue.waiting if queue is not None and queue.uid == uid else None

    def demand(self) -> Mapping[str, float]:
        """Amounts of resources that wait for a node, in all queues together."""
        return _total(waiting.demand for waiting in self._waiting())

    def infeasible(self) -> Mapping[str, float]:
        """Those of them that no group of their cluster could ever serve."""
        return _total(waiting.infeasible for waiting in self._waiting())

    def holds(self) -> Mapping[HoldKind, int]:
        """In how many clusters something is held, by cause."""
        counts = Counter(dict.fromkeys(HoldKind, 0))
        for queue in self._queues.values():
            counts.update(queue.kinds)
        return counts

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._queues.pop(key, None)

    def forget_all(self) -> None:
        """Another operator leads."""
        self._queues.clear()

    def _waiting(self) -> Iterator[Waiting]:
        return (queue.waiting for queue in self._queues.values() if queue.waiting is not None)


def _total(parts: Iterable[Amounts]) -> Mapping[str, float]:
    """Added up for each scrape: an amount of any size cannot be taken away again without a trace."""
    total = [0.0] * len(RESOURCES)
    for amounts in parts:
        if amounts is not NO_AMOUNTS:
            total = [one + other for one, other in zip(total, amounts, strict=True)]
    return dict(zip(RESOURCES, total, strict=True))
