"""The outcome for each entry of demand, for people who ask."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from rayfleet.api.names import HEAD_GROUP
from rayfleet.autoscaling.decision import (
    NO_AMOUNTS,
    NOTHING_WAITS,
    RESOURCES,
    STARTING,
    Amounts,
    DemandAnswer,
    DemandHold,
    DemandKind,
    GroupDecision,
    HoldKind,
    Placed,
    Tier,
    Waiting,
)
from rayfleet.autoscaling.demand.localities import NO_VALUES, within_words
from rayfleet.autoscaling.demand.needs import Need
from rayfleet.autoscaling.effort import MOST_WORDS, TOO_MUCH, Effort
from rayfleet.autoscaling.inputs import AutoscalingPolicy
from rayfleet.autoscaling.placing.capacity import HEAD
from rayfleet.autoscaling.placing.packing import Packing, Rooms
from rayfleet.autoscaling.placing.solution import Entry, Solution
from rayfleet.autoscaling.sizing.census import Census
from rayfleet.autoscaling.sizing.holds import DemandHolds, blocked_hold, is_oversized, whole_nodes
from rayfleet.autoscaling.sizing.sizes import Sizes
from rayfleet.ray.state import Shape

_OBJECT_STORE: Final = "object_store_memory"
"""Bytes, of which nobody asks for nodes."""
_PLACES: Final = {name: place for place, name in enumerate(RESOURCES[:-1])}
_OTHER: Final = len(RESOURCES) - 1
_MOST_AMOUNTS: Final = tuple([float(1 << 50) if name == "memory" else 1e6 for name in RESOURCES])
"""What counts of one cluster at most, so that one that asks for everything does not hide the others."""


def answers_of(
    solution: Solution, census: Sequence[Census], policy: AutoscalingPolicy, sizes: Sizes
) -> tuple[DemandAnswer, ...]:
    """One answer for each entry of demand."""
    placed: dict[int, list[tuple[int, Tier, int]]] = {}
    for (need, group, tier), count in sorted(solution.packing.placed.items()):
        if count:
            placed.setdefault(need, []).append((group, tier, count))
    reasons = _Reasons(solution.packing, census, policy, sizes.rates)
    return tuple(
        DemandAnswer(
            kind=entry.kind,
            shape=entry.need.shape,
            count=entry.need.copies,
            placed=tuple(
                Placed(HEAD_GROUP if group == HEAD else census[group].group.name, tier, count)
                for group, tier, count in placed.get(entry.need.entry, ())
            ),
            holds=reasons.of(entry, placed.get(entry.need.entry, ())),
            gang=entry.gang.name if entry.gang else "",
        )
        for entry in solution.entries
    )


class _Reasons:
    """Why entries wait. Each kind is worked out once, and at most as many as the effort allows."""

    def __init__(
        self,
        packing: Packing,
        census: Sequence[Census],
        policy: AutoscalingPolicy,
        rates: Mapping[str, DemandHold],
    ) -> None:
        self._census = census
        self._rates = rates
        self._rooms = packing.rooms
        self._holds = DemandHolds(packing, census, policy)
        self._effort = Effort(MOST_WORDS)
        self._known: dict[tuple[Shape, Rooms], tuple[DemandHold, ...]] = {}
        self._at_once: dict[tuple[tuple[DemandHold, ...], str], tuple[DemandHold, ...]] = {}

    def of(self, entry: Entry, placed: Iterable[tuple[int, Tier, int]]) -> tuple[DemandHold, ...]:
        """Why parts of the entry wait: without a place, or on nodes that are blocked or not started yet."""
        holds = self._of_rest(entry) if entry.left else ()
        others = []
        for group, tier, _ in placed:
            if tier is Tier.BLOCKED and (hold := blocked_hold(self._census[group])):
                others.append(hold)
            if tier is Tier.NEW and (rate := self._rates.get(self._census[group].group.name)):
                others.append(rate)
        # If there are no others, one tuple is shared by many entries.
        return tuple(dict.fromkeys((*holds, *others))) if others else holds

    def _of_rest(self, entry: Entry) -> tuple[DemandHold, ...]:
        if entry.skipped:
            return (TOO_MUCH,)
        if entry.gang is None:
            return self._about(entry.need, self._rooms)
        where = within_words(entry.gang.locality) if entry.gang.locality else ""
        holds: tuple[DemandHold, ...] = (DemandHold(HoldKind.INFEASIBLE, NO_VALUES),)
        if entry.lacking:
            holds = self._about(entry.lacking, entry.rooms or self._rooms)
        if (holds, where) not in self._at_once:
            remark = f" (all of its bundles are needed at once{where})"
            self._at_once[holds, where] = tuple([DemandHold(kind, words + remark) for kind, words in holds])
        return self._at_once[holds, where]

    def _about(self, need: Need, rooms: Rooms) -> tuple[DemandHold, ...]:
        known = self._known.get((need.shape, rooms))
        if known is None:
            if self._effort.spent:
                return (TOO_MUCH,)
            self._effort.spend(self._holds.steps(need))
            known = self._known[need.shape, rooms] = self._holds.of(need, rooms)
        return known


class _Sums(Struct):
    """What has no running node, of one source of demand."""

    held: Counter[HoldKind] = field(default_factory=Counter)
    """Requests that get no node, by what holds them."""
    starting: int = 0
    """Requests whose nodes are coming."""
    demand: list[float] = field(default_factory=lambda: [0.0] * len(RESOURCES))
    infeasible: list[float] = field(default_factory=lambda: [0.0] * len(RESOURCES))

    def add(self, answer: DemandAnswer, without: int) -> None:
        """Add an answer of which `without` requests have no running node."""
        unserved = max(0, answer.unserved)
        self.starting += without - unserved
        _add(self.demand, answer.shape, without)
        if unserved and answer.holds:
            self.held[answer.holds[0].kind] += unserved
            if any(hold.kind is HoldKind.INFEASIBLE for hold in answer.holds):
                _add(self.infeasible, answer.shape, unserved)


def waiting_of(answers: Iterable[DemandAnswer], groups: Iterable[GroupDecision]) -> Waiting:
    """The queue in numbers. A head may ask for any amount: of one cluster only so much counts.

    What `request_resources` asks for is a floor for the whole cluster, and not further work: of it and of
    tasks and placement groups together, the larger one counts.
    """
    kinds = {hold.kind for group in groups for hold in group.holds}
    if any(group.blocked for group in groups):
        kinds.add(HoldKind.BLOCKED)
    work, floor = _Sums(), _Sums()
    for answer in answers:
        without = answer.count - sum([some.number for some in answer.placed if some.tier is Tier.RUNNING])
        if without <= 0:
            continue
        for hold in answer.holds:
            kinds.add(hold.kind)
        sums = floor if answer.kind is DemandKind.CONSTRAINT else work
        sums.add(answer, without)
    held, starting = work.held | floor.held, max(work.starting, floor.starting)
    if not starting and not held:
        return Waiting(kinds=frozenset(kinds)) if kinds else NOTHING_WAITS
    return Waiting(
        requests=held.total() or starting,
        reason=str(held.most_common(1)[0][0]) if held else STARTING,
        demand=_larger(work.demand, floor.demand),
        infeasible=_larger(work.infeasible, floor.infeasible) if HoldKind.INFEASIBLE in kinds else NO_AMOUNTS,
        kinds=frozenset(kinds),
    )


def _add(amounts: list[float], shape: Shape, count: int) -> None:
    for name, amount in shape.resources:
        if name != _OBJECT_STORE:
            amounts[_PLACES.get(name, _OTHER)] += amount * count


def _larger(work: Iterable[float], floor: Iterable[float]) -> Amounts:
    """The larger amount of each resource, within the bounds."""
    every = zip(work, floor, _MOST_AMOUNTS, strict=True)
    return tuple([min(max(one, other), most) for one, other, most in every])


def oversized(solution: Solution) -> tuple[Shape, ...]:
    """Shapes of tasks that no whole node could hold."""
    packing, nodes, effort = solution.packing, whole_nodes(solution.packing), Effort(MOST_WORDS)
    shapes = []
    for entry in solution.entries:
        if entry.kind is not DemandKind.TASKS or not entry.left or entry.skipped:
            continue
        effort.spend((len(packing.templates) + len(nodes)) * (len(entry.need.amounts) + 4))
        if effort.spent:
            break  # A shape that has not been looked at must not fail.
        if is_oversized(packing, nodes, entry.need):
            shapes.append(entry.need.shape)
    return tuple(shapes)
