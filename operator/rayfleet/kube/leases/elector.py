"""The loop that takes the Lease, keeps it, and knows until when it may be relied upon."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.leases.lease import (
    LEASE_NAME,
    LeaseObserver,
    Timing,
    acquisition,
    lease_object,
    release,
    renewal,
)
from rayfleet.kube.leases.objects import Lease, lease_from_object
from rayfleet.kube.objects.resources import LEASES

log = logging.getLogger(__name__)

NEVER = float("-inf")


class LeaderElector:
    """Leads from `on_gain` to `on_loss`, and until `deadline` at the latest, whatever the loop is doing.

    - The deadline counts from before a renewal was sent, by `clock`, which must go on while the process
      is stopped. Whoever writes checks it just before, as a process that was stopped learns of its loss
      too late.
    - A leader that misses its deadline becomes a standby; it takes the Lease again when it may.
    - `client` must be this elector's own: a renewal never waits behind other requests.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        *,
        clock: Callable[[], float],
        on_gain: Callable[[], None],
        on_loss: Callable[[], None],
        timing: Timing | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._collection = LEASES.collection(namespace)
        self._path = f"{self._collection}/{LEASE_NAME}"
        self._identity = identity
        self._clock = clock
        self._on_gain = on_gain
        self._on_loss = on_loss
        self._timing = timing or Timing()
        self._observer = LeaseObserver()
        self._lease: Lease | None = None
        self._deadline = NEVER
        self.term = 0
        """How often this process has become leader."""
        self.trouble: str | None = None
        """Why the Lease can neither be read nor written, in words."""

    @property
    def seconds_left(self) -> float:
        """For how long writes may still be sent; negative when there is no leader here."""
        return self._deadline - self._clock()

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; empty for nobody."""
        return self._observer.holder

    @property
    def leading(self) -> bool:
        return self.seconds_left > 0

    async def run(self) -> None:
        """Stand for leader until cancelled."""
        while True:
            wait = await (self._keep() if self._deadline != NEVER else self._stand())
            await asyncio.sleep(wait)

    async def release(self) -> None:
        """Stop leading, and give the Lease up if it is ours, so that another leads at once."""
        held, left = self._lease, self.seconds_left
        self._step_down("asked to end")
        if held is not None and left > 0:
            body = release(held, _now())
            await self._client.request("patch", self._path, body=body, within=min(left, 1.0))

    async def _stand(self) -> float:
        """One look as a standby; the seconds until the next."""
        answer = await self._client.get(self._path, within=self._timing.renew_every)
        if isinstance(answer, ApiFailure):
            if policy(answer) is not Policy.GONE:
                return self._not_now(answer)
            lease = None
        else:
            lease = self._seen(answer)
        self.trouble = None
        wait = self._observer.vacant_in(self._identity, self._clock())
        if wait > 0:
            return min(wait, self._timing.retry_every)
        if lease is None:
            return await self._hold(self._create)
        return await self._hold(lambda: self._patch(acquisition(lease, self._identity, self._timing, _now())))

    async def _keep(self) -> float:
        """One renewal as the leader; the seconds until the next."""
        lease = self._lease
        if lease is None:
            return await self._hold(self._create)
        return await self._hold(lambda: self._patch(renewal(lease, _now())))

    async def _hold(self, write: Callable[[], Awaitable[dict[str, Any] | ApiFailure]]) -> float:
        """Write ourselves into the Lease; the seconds until it must be done again."""
        if self._deadline != NEVER and not self.leading:
            self._step_down("the Lease could not be renewed in time")
            return 0.0
        sent = self._clock()
        answer = await write()
        if isinstance(answer, ApiFailure):
            return await self._not_held(answer)
        self.trouble = None
        if self._deadline != NEVER and not self.leading:
            # Renewed after all, but writes were refused meanwhile: that is a new term.
            self._step_down("the Lease was renewed too late")
        self._lease = self._seen(answer)
        gained = self._deadline == NEVER
        self._deadline = sent + self._timing.renew_deadline
        if gained:
            self.term += 1
            log.info("Leading", extra={"lease": f"{self._namespace}/{LEASE_NAME}", "term": self.term})
            self._on_gain()
        return max(0.0, sent + self._timing.renew_every - self._clock())

    async def _not_held(self, failure: ApiFailure) -> float:
        """After a write that did not succeed: see what the Lease says; the seconds until the next attempt."""
        if policy(failure) not in {Policy.CONFLICT, Policy.GONE}:
            return self._not_now(failure)
        answer = await self._client.get(self._path, within=self._patience())
        if isinstance(answer, ApiFailure):
            if policy(answer) is not Policy.GONE:
                return self._not_now(answer)
            known, self._lease = self._lease, None
            if known is None or not self.leading:
                return self._not_now(failure)
            return 0.0  # It was deleted. While we lead it is ours to make anew.
        self._lease = self._seen(answer)
        if self._lease.holder != self._identity:
            self._step_down(f"the Lease is held by {self._lease.holder or 'nobody'}")
            return self._timing.retry_every
        return 0.0  # An answer to us was lost, or somebody set a label: write once more.

    def _seen(self, obj: Mapping[str, Any]) -> Lease:
        lease = lease_from_object(obj)
        self._observer.observe(lease, self._clock())
        return lease

    def _not_now(self, failure: ApiFailure) -> float:
        if self.trouble is None:
            log.warning("The Lease cannot be used: %s", failure.message)
        self.trouble = failure.message
        if self._deadline == NEVER:
            return self._timing.retry_every
        return max(0.0, min(self._timing.retry_every, self.seconds_left))

    def _step_down(self, why: str) -> None:
        self._lease = None
        if self._deadline == NEVER:
            return
        self._deadline = NEVER
        log.warning("No longer leading", extra={"reason": why})
        self._on_loss()

    async def _create(self) -> dict[str, Any] | ApiFailure:
        body = lease_object(self._namespace, self._identity, self._timing, _now())
        return await self._client.create(self._collection, body, within=self._patience())

    async def _patch(self, body: Mapping[str, Any]) -> dict[str, Any] | ApiFailure:
        return await self._client.request("patch", self._path, body=body, within=self._patience())

    def _patience(self) -> float:
        """Seconds for one request: a leader's must not outlast its deadline."""
        return max(0.1, min(self._timing.renew_every, self.seconds_left)) if self.leading else 5.0


def _now() -> datetime:
    return datetime.now(UTC)
