"""Whether the holders of Leases are alive, judged by the Leases only."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct

from rayfleet.kube.leases.objects import lease_from_object


class _Seen(Struct):
    version: str
    since: float
    """Loop time at which this version was first seen."""
    holder: str
    duration: float
    renewed: bool
    """It has changed since it was first seen: somebody is there."""


class OthersLeases:
    """Judges Leases by how long they have not changed, never by comparing clocks of two machines.

    The holder of a Lease counts as alive until the Lease has not changed for its whole duration.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._alive: dict[str, str] = {}
        self._in_doubt: set[str] = set()

    def observe(self, leases: Iterable[Mapping[str, Any]], now: float) -> None:
        """Record all these Leases in one place, as read at loop time `now`."""
        current = {}
        for lease in leases:
            read = lease_from_object(lease)
            namespace = str(lease["metadata"]["namespace"])
            before = self._seen.get(namespace)
            version = f"{read.uid}/{read.resource_version}"
            same = before is not None and before.version == version
            current[namespace] = _Seen(
                version,
                before.since if before is not None and same else now,
                read.holder,
                read.duration,
                before is not None and (before.renewed or not same),
            )
        self._seen = current
        self._alive = {
            namespace: seen.holder
            for namespace, seen in current.items()
            if seen.holder and now - seen.since < seen.duration
        }
        self._in_doubt = {namespace for namespace in self._alive if not current[namespace].renewed}

    def alive(self) -> Mapping[str, str]:
        """The holders, per namespace, that count as alive as of the last look."""
        return self._alive

    def in_doubt(self) -> AbstractSet[str]:
        """The namespaces whose Lease was first seen held, and has neither been renewed nor expired since."""
        return self._in_doubt
