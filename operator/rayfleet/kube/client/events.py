"""Events (events.k8s.io/v1) as the API server accepts them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

CONTROLLER: Final = "rayfleet.io/operator"
LONGEST_INSTANCE: Final = 128
"""Characters. The API server refuses more."""


class EventContent(Struct, frozen=True):
    """The type, reason, action and note of an event."""

    type: str
    reason: str
    action: str
    note: str


def event_body(
    metadata: Mapping[str, Any],
    regarding: Mapping[str, Any],
    content: EventContent,
    now: float,
    instance: str,
) -> Mapping[str, Any]:
    """The body of an event at `now`, in Unix seconds."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": metadata,
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": content.type,
        "reason": content.reason,
        "action": content.action,
        "note": content.note,
        "regarding": regarding,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:LONGEST_INSTANCE],
    }
