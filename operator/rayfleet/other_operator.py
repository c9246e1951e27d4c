"""Watching for another operator of this API, so that two never act on one cluster."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayfleet.api.names import OTHER_OPERATOR_LEASE
from rayfleet.clients.kube import KubeClient
from rayfleet.clients.leases import lease_from_object
from rayfleet.errors import ApiFailure, Policy, policy

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""As often as a leader renews its Lease."""
UNAVAILABLE_SECONDS = 60.0


@dataclass(slots=True)
class _Seen:
    version: str
    since: float
    """Loop time at which this version was first seen."""
    held: bool
    duration: float
    renewed: bool
    """Has changed since it was first seen: somebody is there."""


class OthersLeases:
    """Judges Leases by how long they have not changed, never by comparing clocks of two machines.

    A Lease that is found held counts as alive until it has not changed for its whole duration.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def observe(self, leases: Iterable[Mapping[str, Any]], now: float) -> None:
        """Take in every such Lease in scope, as read at loop time `now`."""
        current = {}
        for lease in leases:
            metadata, read = lease["metadata"], lease_from_object(lease)
            name = f"{metadata['namespace']}/{metadata['name']}"
            before = self._seen.get(name)
            version = f"{read.uid}/{read.resource_version}"
            same = before is not None and before.version == version
            current[name] = _Seen(
                version,
                before.since if before is not None and same else now,
                bool(read.holder),
                read.duration,
                before is not None and (before.renewed or not same),
            )
        self._seen = current

    def alive(self, now: float) -> str | None:
        """The first Lease, as `namespace/name`, whose holder must be taken for alive."""
        return min(
            (name for name, seen in self._seen.items() if seen.held and now - seen.since < seen.duration),
            default=None,
        )

    def settled(self, now: float) -> bool:
        """Whether no Lease is in doubt: found held, and neither renewed nor expired since."""
        return all(
            seen.renewed or not seen.held or now - seen.since >= seen.duration for seen in self._seen.values()
        )


class OtherOperatorWatch:
    """Reads the Leases in scope every two seconds and tells when the answer has changed."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str], on_change: Callable[[], None]) -> None:
        self._client = client
        self._paths = [
            f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases" for namespace in namespaces
        ] or ["/apis/coordination.k8s.io/v1/leases"]
        self._on_change = on_change
        self._observer = OthersLeases()
        self._alive: str | None = None
        self.unavailable: str | None = None
        """Why Leases cannot be read, in words; clusters are acted on all the same."""
        self.looked = asyncio.Event()
        """Set once it is certain whether another operator is alive, or that it cannot be known. A Lease
        that a dead one left behind takes its duration to tell from a live one."""

    @property
    def alive(self) -> str | None:
        """The Lease of an operator that is alive, as `namespace/name`."""
        return self._alive

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(await self._look())

    async def _look(self) -> float:
        parameters = {"fieldSelector": f"metadata.name={OTHER_OPERATOR_LEASE}"}
        found: list[Mapping[str, Any]] = []
        refused: ApiFailure | None = None
        for path in self._paths:
            answer = await self._client.get(path, parameters)
            if not isinstance(answer, ApiFailure):
                found += answer.get("items") or ()
            elif policy(answer) in {Policy.DENIED, Policy.GONE}:
                refused = answer
            else:
                return POLL_SECONDS  # No news is no change.
        if refused is not None:
            self._report_unavailable(refused)
        else:
            self.unavailable = None
        now = asyncio.get_running_loop().time()
        self._observer.observe(found, now)
        alive = self._observer.alive(now)
        if self._observer.settled(now):
            self.looked.set()
        if alive != self._alive:
            self._alive = alive
            log.info(
                "Another operator is alive" if alive else "No other operator is alive", extra={"lease": alive}
            )
            self._on_change()
        return UNAVAILABLE_SECONDS if refused is not None and not found else POLL_SECONDS

    def _report_unavailable(self, failure: ApiFailure) -> None:
        if self.unavailable is None:
            log.warning("Leases cannot be read; another operator would not be noticed: %s", failure.message)
        self.unavailable = failure.message
