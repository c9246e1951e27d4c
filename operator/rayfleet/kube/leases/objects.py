"""Leases (coordination.k8s.io/v1) as the API server returns them."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

DURATION = 15.0
"""Seconds. A Lease that has not changed for this long may be taken."""
LONGEST_DURATION = 120.0
"""Seconds. A Lease that claims more does not keep candidates waiting any longer."""


class Lease(Struct, frozen=True):
    """A Lease as it was read."""

    holder: str
    """Empty if it was released."""
    duration: float
    transitions: int
    uid: str
    resource_version: str
    record: Mapping[str, Any]
    """Its spec. Only a change of the spec is a sign of life; anybody may set a label."""


def lease_from_object(obj: Mapping[str, Any]) -> Lease:
    """Read a Lease as the API server returns it."""
    spec = obj.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "",
        duration=min(float(spec.get("leaseDurationSeconds") or DURATION), LONGEST_DURATION),
        transitions=int(spec.get("leaseTransitions") or 0),
        uid=obj["metadata"]["uid"],
        resource_version=obj["metadata"]["resourceVersion"],
        record=spec,
    )
