"""What a Lease says, when it may be taken, and what is written to it. Values only; no clock is read here.

The protocol is client-go's (k8s.io/client-go/tools/leaderelection): a candidate takes a Lease that is free,
released, or has not changed for its whole duration *by the candidate's own clock*. Clocks of two machines
are never compared; `elector.py` has the protocol step by step.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from rayfleet.kube.leases.objects import DURATION, Lease

LEASE_NAME = "rayfleet-leader"


class Timing(Struct, frozen=True):
    """All in seconds. `renew_deadline` < `duration`: a leader stops before another may start."""

    duration: float = DURATION
    renew_deadline: float = 10.0
    """A leader whose last renewal was sent this long ago sends no more writes."""
    renew_every: float = 5.0
    retry_every: float = 2.0
    """Between a standby's looks at the Lease, and between attempts to renew."""


class LeaseObserver:
    """Measures how long a Lease has not changed, by our own clock."""

    def __init__(self) -> None:
        self._last: Lease | None = None
        self._since = 0.0
        self._may_write_until: dict[str, float] = {}
        """Until when a holder from whom the Lease was taken may still write: nobody has told it."""

    @property
    def holder(self) -> str:
        return "" if self._last is None else self._last.holder

    def observe(self, lease: Lease, now: float) -> None:
        """Record the Lease as read at `now`."""
        last = self._last
        if last is None or last.record != lease.record:
            if last is not None and lease.holder not in {"", last.holder}:
                self._taken(last, lease.holder, now)
            self._since = now
        self._last = lease

    def vacant_in(self, identity: str, now: float) -> float:
        """Seconds until `identity` may take the Lease that was last seen; 0 if it may now.

        A Lease that was deleted while it was held counts as unchanged: its holder may not know yet.
        One that was taken from its holder before its time is not free before that time either, however
        short the new holder holds it. A Lease that nobody was ever seen to hold is free.
        """
        others = [until for holder, until in self._may_write_until.items() if holder != identity]
        if self._last is not None and self._last.holder not in {"", identity}:
            others.append(self._since + self._last.duration)
        return max(0.0, max(others, default=now) - now)

    def _taken(self, last: Lease, by: str, now: float) -> None:
        held = {**self._may_write_until, last.holder: self._since + last.duration}
        self._may_write_until = {
            holder: until for holder, until in held.items() if holder not in {"", by} and until > now
        }


def lease_object(namespace: str, identity: str, timing: Timing, now: datetime) -> Mapping[str, Any]:
    """A new Lease, held by `identity`."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE_NAME, "namespace": namespace},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": round(timing.duration),
            "acquireTime": _micro_time(now),
            "renewTime": _micro_time(now),
            "leaseTransitions": 0,
        },
    }


def acquisition(lease: Lease, identity: str, timing: Timing, now: datetime) -> Mapping[str, Any]:
    """A patch that takes `lease`, if nobody has written to it since."""
    spec = {
        "holderIdentity": identity,
        "leaseDurationSeconds": round(timing.duration),
        "acquireTime": _micro_time(now),
        "renewTime": _micro_time(now),
        "leaseTransitions": lease.transitions + (lease.holder != identity),
    }
    return _guarded(lease, spec)


def renewal(lease: Lease, now: datetime) -> Mapping[str, Any]:
    """A patch that renews `lease`, if nobody has written to it since."""
    return _guarded(lease, {"renewTime": _micro_time(now)})


def release(lease: Lease, now: datetime) -> Mapping[str, Any]:
    """A patch that releases `lease`, so that the next leader need not wait."""
    return _guarded(lease, {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time(now)})


def _guarded(lease: Lease, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"metadata": {"uid": lease.uid, "resourceVersion": lease.resource_version}, "spec": spec}


def _micro_time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
