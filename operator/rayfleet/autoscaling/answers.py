"""What becomes of each entry of demand, for people who ask."""

from collections.abc import Iterator, Sequence

from rayfleet.api.names import HEAD_GROUP
from rayfleet.autoscaling.capacity import HEAD
from rayfleet.autoscaling.census import Census
from rayfleet.autoscaling.decision import Answer, DemandKind, Hold, HoldKind, Placed, Tier
from rayfleet.autoscaling.demand import Kind, Vector
from rayfleet.autoscaling.holds import blocked_hold, holds_of, is_oversized, whole_nodes
from rayfleet.autoscaling.inputs import Policy
from rayfleet.autoscaling.localities import NO_VALUES, within_words
from rayfleet.autoscaling.sizes import Sizes
from rayfleet.autoscaling.stages import Entry, Solution
from rayfleet.ray_state import Gang, Shape


def answers_of(
    solution: Solution, census: Sequence[Census], policy: Policy, sizes: Sizes
) -> tuple[Answer, ...]:
    """One for each entry of demand."""
    placed: dict[int, list[tuple[int, Tier, int]]] = {}
    for (need, group, tier), count in sorted(solution.packing.placed.items()):
        if count:
            placed.setdefault(need, []).append((group, tier, count))
    nodes = whole_nodes(solution.packing)
    return tuple(
        _answer(solution, nodes, entry, placed.get(entry.need.entry, ()), census, policy, sizes)
        for entry in solution.entries
    )


def _answer(
    solution: Solution,
    nodes: Sequence[tuple[Vector, Kind]],
    entry: Entry,
    placed: Sequence[tuple[int, Tier, int]],
    census: Sequence[Census],
    policy: Policy,
    sizes: Sizes,
) -> Answer:
    holds: list[Hold] = []
    if entry.gang and entry.left:
        holds += _gang_holds(entry, entry.gang, solution, nodes, census, policy)
    elif entry.left:
        holds += holds_of(solution.packing, nodes, census, policy, entry.need)
    for group, tier, _ in placed:
        if tier is Tier.BLOCKED and (hold := blocked_hold(census[group])):
            holds.append(hold)
        if tier is Tier.NEW and (rate := sizes.rates.get(census[group].group.name)):
            holds.append(rate)
    return Answer(
        kind=entry.kind,
        shape=entry.need.shape,
        count=entry.need.copies,
        placed=tuple(
            Placed(HEAD_GROUP if group == HEAD else census[group].group.name, tier, count)
            for group, tier, count in placed
        ),
        holds=tuple(dict.fromkeys(holds)),
        gang=entry.gang.name if entry.gang else "",
    )


def _gang_holds(
    entry: Entry,
    gang: Gang,
    solution: Solution,
    nodes: Sequence[tuple[Vector, Kind]],
    census: Sequence[Census],
    policy: Policy,
) -> Iterator[Hold]:
    where = within_words(gang.locality) if gang.locality else ""
    if not entry.lacking:
        yield Hold(HoldKind.INFEASIBLE, f"all of its bundles at once{where}: {NO_VALUES}")
        return
    for kind, words in holds_of(entry.trial or solution.packing, nodes, census, policy, entry.lacking):
        yield Hold(kind, f"all of its bundles at once{where}: {words}")


def oversized(solution: Solution) -> tuple[Shape, ...]:
    """Shapes of tasks that no whole node could hold."""
    nodes = whole_nodes(solution.packing)
    return tuple(
        entry.need.shape
        for entry in solution.entries
        if entry.kind is DemandKind.TASKS and entry.left and is_oversized(solution.packing, nodes, entry.need)
    )
