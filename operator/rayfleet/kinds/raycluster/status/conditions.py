"""Conditions: each a (status, reason, message) computed anew, its transition time kept while it holds.

`HeadPodReady`, `RayClusterProvisioned` and `ReplicaFailure` mean what they mean to Ray's users and to
Kueue. `Ready`, `Valid`, `Supported` and `Managed` are ours.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rayfleet.kinds.raycluster.status.cuts import cut

LONGEST_MESSAGE = 1024
"""Characters."""
LONGEST_REASON = 128
LONGEST_TIME = 35
"""With nanoseconds and the offset of a zone."""


class ConditionType(StrEnum):
    """The conditions that this operator writes."""

    HEAD_POD_READY = "HeadPodReady"
    PROVISIONED = "RayClusterProvisioned"
    REPLICA_FAILURE = "ReplicaFailure"
    READY = "Ready"
    """Every pod that is wanted is there and ready now. Unlike `RayClusterProvisioned` it can be lost."""
    VALID = "Valid"
    """The stored spec can be acted on."""
    SUPPORTED = "Supported"
    """False while the spec sets a field that this version does not act on; absent otherwise."""
    AUTOSCALING = "Autoscaling"
    """The queue is known and all of it is served, or about to be; absent where nobody scales."""
    MANAGED = "Managed"
    """False while another operator of this API is alive; absent otherwise."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, without its time."""

    type: ConditionType
    holds: bool
    reason: str
    message: str = ""


def rfc3339(now: float) -> str:
    """Unix seconds as Kubernetes writes times: UTC, whole seconds."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_time(value: object) -> bool:
    """Whether it can be a time: the schema lets a fraction of a second have any number of digits."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TIME


def merged(
    previous: Iterable[Mapping[str, Any]],
    current: Iterable[Condition],
    ours: Collection[str],
    generation: int,
    now: float,
) -> list[Mapping[str, Any]]:
    """The `conditions` to store: the types in `ours` as they are now, all others untouched."""
    stored = list(previous)
    before = {str(entry.get("type")): entry for entry in stored}
    kept = [entry for entry in stored if entry.get("type") not in ours]
    return [*kept, *(_entry(before.get(c.type), c, generation, now) for c in current)]


def _entry(
    before: Mapping[str, Any] | None, condition: Condition, generation: int, now: float
) -> Mapping[str, Any]:
    status = "True" if condition.holds else "False"
    since = before.get("lastTransitionTime") if before and before.get("status") == status else None
    since = since if is_time(since) else None
    return {
        "type": str(condition.type),
        "status": status,
        "reason": condition.reason[:LONGEST_REASON],
        "message": cut(condition.message, LONGEST_MESSAGE),
        "lastTransitionTime": since or rfc3339(now),
        "observedGeneration": generation,
    }


def holds(status: Mapping[str, Any], condition: ConditionType) -> bool:
    """Whether `condition` is True in a stored status."""
    return any(
        entry.get("type") == condition and entry.get("status") == "True"
        for entry in stored_conditions(status)
    )


def stored_conditions(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditions of a stored status, whatever its shape."""
    stored = status.get("conditions")
    return [entry for entry in stored if isinstance(entry, Mapping)] if isinstance(stored, list) else []
