"""Conditions are computed in every pass; the transition time stays while the status does."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

from rayfleet.api.condition import StatusCondition
from rayfleet.autoscaling.words import cut

LONGEST_MESSAGE = 1024
"""Characters."""
LONGEST_REASON = 128


class Condition(Struct, frozen=True):
    """One condition, without its time."""

    type: str
    holds: bool
    reason: str
    message: str = ""


def rfc3339(now: float) -> str:
    """Unix seconds as Kubernetes writes times: UTC, whole seconds."""
    return _of_second(int(now))


@lru_cache(4)
def _of_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(
    stored: Sequence[StatusCondition],
    current: Iterable[Condition],
    ours: Collection[str],
    generation: int,
    now: float,
) -> tuple[StatusCondition, ...]:
    """The `conditions` to store: the types in `ours` as they are now, all others unchanged."""
    before = {entry.type: entry for entry in stored}
    kept = [entry for entry in stored if entry.type not in ours]
    return (*kept, *(_entry(before.get(c.type), c, generation, now) for c in current))


def _entry(
    before: StatusCondition | None, condition: Condition, generation: int, now: float
) -> StatusCondition:
    status = "True" if condition.holds else "False"
    since = before.last_transition_time if before is not None and before.status == status else None
    return StatusCondition(
        type=str(condition.type),
        status=status,
        reason=condition.reason[:LONGEST_REASON],
        message=cut(condition.message, LONGEST_MESSAGE),
        last_transition_time=since or rfc3339(now),
        observed_generation=generation,
    )
