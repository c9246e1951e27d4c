"""One event a day about a Lease that is ignored, so that its owner learns of it."""

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from rayfleet.api.names import OTHER_OPERATOR_LEASE
from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.events import EventContent, event_body
from rayfleet.kube.objects.resources import EVENTS

MOST_AT_ONCE = 10
LONGEST_NOTE = 1000
REMEDY = (
    "if an operator of RayClusters holds it, name its namespace with --other-operator-namespace"
    " (in the chart: otherOperator.namespaces)"
)


async def report_ignored(
    client: KubeClient, ignored: Mapping[str, str], reported: MutableMapping[str, str], now: float
) -> None:
    """Post what is new on the day of `now`. The event's name holds the day, so no process posts a second one.

    A standby sends none, and tries again; `reported` holds the day of the last event per namespace.
    """
    today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
    due = [namespace for namespace in ignored if reported.get(namespace) != today]
    for namespace in reported.keys() - ignored.keys():
        if reported[namespace] != today:
            del reported[namespace]
    for namespace in due[:MOST_AT_ONCE]:
        body = _event(namespace, ignored[namespace], today, now)
        answer = await client.create(EVENTS.collection(namespace), body)
        if not isinstance(answer, ApiFailure) or policy(answer) is not Policy.RETRY:
            reported[namespace] = today


def _event(namespace: str, why: str, today: str, now: float) -> Mapping[str, Any]:
    note = f"Lease {OTHER_OPERATOR_LEASE} holds up no RayCluster: {why}; {REMEDY}"
    metadata = {"name": f"{OTHER_OPERATOR_LEASE}.{today}", "namespace": namespace}
    regarding = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "namespace": namespace,
        "name": OTHER_OPERATOR_LEASE,
    }
    content = EventContent("Warning", "LeaseIgnored", "Ignore", note[:LONGEST_NOTE])
    return event_body(metadata, regarding, content, now, "rayfleet")
