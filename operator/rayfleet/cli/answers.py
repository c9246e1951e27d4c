"""What serves each demand and what waits, as sentences and as plain data."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rayfleet.autoscaling import DemandAnswer, DemandHold, DemandKind, Tier, words
from rayfleet.cli.tables import table
from rayfleet.ray.state import Shape

_TIERS: Final[Mapping[Tier, str]] = {
    Tier.RUNNING: "running",
    Tier.COMING: "starting",
    Tier.NEW: "to be started",
    Tier.BLOCKED: "blocked",
}


def demand_table(answers: Sequence[DemandAnswer]) -> str:
    """One row per entry of demand; empty if nothing waits."""
    rows = [(str(answer.count), _what(answer), _served(answer)) for answer in answers]
    return table(("COUNT", "DEMAND", "SERVED BY"), rows, numbers=("COUNT",))


def demand_data(answers: Sequence[DemandAnswer]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [_data(answer) for answer in answers]


def shape_data(shape: Shape) -> dict[str, Any]:
    """Resources, and the alternative label selectors if there are any."""
    data: dict[str, Any] = {"resources": dict(shape.resources)}
    if shape.selectors:
        data["labelSelectors"] = [
            [
                {
                    "key": constraint.key,
                    "operator": "NotIn" if constraint.negated else "In",
                    "values": list(constraint.values),
                }
                for constraint in selector
            ]
            for selector in shape.selectors
        ]
    return data


def holds_data(holds: Sequence[DemandHold]) -> list[dict[str, str]]:
    """Why something waits."""
    return [{"kind": str(hold.kind), "message": hold.message} for hold in holds]


def _what(answer: DemandAnswer) -> str:
    shape = words.shape(answer.shape)
    if answer.kind is DemandKind.GANG:
        return f"{shape}, each; gang {answer.gang[:12]}"
    return f"{shape}, by request_resources" if answer.kind is DemandKind.CONSTRAINT else shape


def _served(answer: DemandAnswer) -> str:
    parts = [
        f"{_share(placed.number, answer.count)} {placed.group} ({_TIERS[placed.tier]})"
        for placed in answer.placed
    ]
    waiting = answer.count - sum(placed.number for placed in answer.placed)
    why = "; ".join(hold.message for hold in answer.holds)
    if waiting:
        parts.append(f"{_share(waiting, answer.count, wait=True)}: {why or 'for a place'}")
    elif why:
        parts.append(f"held by {why}")
    return "; ".join(parts)


def _share(number: int, count: int, *, wait: bool = False) -> str:
    who = "all" if number == count > 1 else str(number)
    return f"{who} wait{'s' * (number == 1)}" if wait else f"{who} on"


def _data(answer: DemandAnswer) -> dict[str, Any]:
    data: dict[str, Any] = {
        "kind": str(answer.kind),
        **shape_data(answer.shape),
        "count": answer.count,
        "unserved": answer.unserved,
        "placed": [
            {"group": placed.group, "tier": str(placed.tier), "count": placed.number}
            for placed in answer.placed
        ],
        "holds": holds_data(answer.holds),
    }
    return data | ({"gang": answer.gang} if answer.gang else {})
