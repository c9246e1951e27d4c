"""An explanation for programs: plain data, with times as Kubernetes writes them."""

from collections.abc import Sequence
from typing import Any

from rayfleet.api.base import INT32_MAX
from rayfleet.cli.answers import demand_data
from rayfleet.engine.conditions import rfc3339
from rayfleet.explain.explanation import ConditionNote, Explanation
from rayfleet.explain.held_groups import HeldNote
from rayfleet.explain.sources import EventNote


def explanation_data(of: Explanation) -> dict[str, Any]:
    """The whole explanation; empty lists are included."""
    return {
        "namespace": of.namespace,
        "cluster": of.name,
        "time": rfc3339(of.now),
        "scaledByOperator": of.scaled,
        "queue": {"known": of.scaled and of.known, "message": of.trouble},
        "conditions": conditions_data(of.conditions),
        "groups": [
            {
                "name": one.name,
                "wanted": one.wanted,
                "pods": one.there,
                "ready": one.ready,
                "min": one.least,
                "max": None if one.most >= INT32_MAX else one.most,
                "idleTimeoutSeconds": one.idle_timeout,
                "reason": one.reason,
                "held": _held(one.held),
                "notStarting": one.not_starting,
            }
            for one in of.groups
        ],
        "demand": demand_data(of.answers),
        "noted": [
            {
                "kind": one.kind,
                "resources": dict(one.resources),
                "reason": one.reason,
                "message": one.message,
            }
            for one in of.noted
        ],
        "faults": list(of.faults),
        "pendingPods": [
            {
                "name": one.name,
                "group": one.group,
                "since": rfc3339(one.since),
                "container": one.container,
                "reason": one.reason,
                "message": one.message,
            }
            for one in of.pending
        ],
        "idleNodes": [
            {
                "pod": one.pod,
                "group": one.group,
                "idleSeconds": one.idle,
                "timeoutSeconds": one.timeout,
                "goesInSeconds": one.goes_in,
                "message": one.words,
            }
            for one in of.idle
        ],
        "next": [{"inSeconds": step.seconds, "message": step.words} for step in of.steps],
        "operatorSilentSince": None if of.silent_since is None else rfc3339(of.silent_since),
        "events": events_data(of.events),
        "notRead": list(of.missing),
    }


def conditions_data(conditions: Sequence[ConditionNote]) -> list[dict[str, Any]]:
    """Conditions, with the time since which they hold or do not."""
    return [
        {
            "type": one.type,
            "status": "True" if one.holds else "False",
            "reason": one.reason,
            "message": one.message,
            "since": rfc3339(one.since) if one.since else None,
        }
        for one in conditions
    ]


def events_data(events: Sequence[EventNote]) -> list[dict[str, Any]]:
    """Events, oldest first."""
    return [
        {
            "time": rfc3339(one.time),
            "type": "Warning" if one.warning else "Normal",
            "reason": one.reason,
            "message": one.message,
            "count": one.times,
        }
        for one in events
    ]


def _held(note: HeldNote | None) -> dict[str, Any] | None:
    if note is None:
        return None
    since = rfc3339(note.since) if note.since else None
    return {"reason": note.reason, "message": note.message, "since": since}
