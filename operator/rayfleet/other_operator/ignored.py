"""One event a day about a Lease that holds up nobody, so that whoever meant it to learns of it."""

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from rayfleet.api.names import OTHER_OPERATOR_LEASE
from rayfleet.clients.kube import KubeClient
from rayfleet.errors import ApiFailure, Policy, policy

MOST_AT_ONCE = 10
LONGEST_NOTE = 1000
REMEDY = (
    "if it is that of an operator of RayClusters, name its namespace with --other-operator-namespace"
    " (in the chart: otherOperator.namespaces)"
)


async def report_ignored(
    client: KubeClient, ignored: Mapping[str, str], reported: MutableMapping[str, str]
) -> None:
    """Post what is new today. The event's name holds the day: no process posts a second one.

    A standby's is not sent, and is tried again; `reported` holds the day of the last one by namespace.
    """
    today = datetime.now(UTC)
    due = [namespace for namespace in ignored if reported.get(namespace) != f"{today:%Y-%m-%d}"]
    for namespace in reported.keys() - ignored.keys():
        if reported[namespace] != f"{today:%Y-%m-%d}":
            del reported[namespace]
    for namespace in due[:MOST_AT_ONCE]:
        body = _event(namespace, ignored[namespace], today)
        answer = await client.create(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body)
        if not isinstance(answer, ApiFailure) or policy(answer) is not Policy.RETRY:
            reported[namespace] = f"{today:%Y-%m-%d}"


def _event(namespace: str, why: str, now: datetime) -> Mapping[str, Any]:
    note = f"Lease {OTHER_OPERATOR_LEASE} holds up no RayCluster: {why}; {REMEDY}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{OTHER_OPERATOR_LEASE}.{now:%Y-%m-%d}", "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning",
        "reason": "LeaseIgnored",
        "action": "Ignore",
        "note": note[:LONGEST_NOTE],
        "regarding": {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "namespace": namespace,
            "name": OTHER_OPERATOR_LEASE,
        },
        "reportingController": "rayfleet.io/operator",
        "reportingInstance": "rayfleet",
    }
