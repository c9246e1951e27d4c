"""Events (events.k8s.io/v1) as the API server accepts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

CONTROLLER: Final = "rayfleet.io/operator"
LONGEST_INSTANCE: Final = 128
"""Characters. The API server refuses more."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What an event says."""

    type: str
    reason: str
    action: str
    note: str


def event_body(
    metadata: Mapping[str, Any], regarding: Mapping[str, Any], telling: Telling, now: float, instance: str
) -> Mapping[str, Any]:
    """The body of an event at `now`, in Unix seconds."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": metadata,
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": telling.type,
        "reason": telling.reason,
        "action": telling.action,
        "note": telling.note,
        "regarding": regarding,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:LONGEST_INSTANCE],
    }
