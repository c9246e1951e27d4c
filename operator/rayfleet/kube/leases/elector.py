"""The loop that takes and renews the Lease, and knows until when writes may be sent.

The write deadline of a leader
------------------------------
Two leaders must never write at once, although a process can be stopped at any instruction and the clocks of
two machines are never compared. With the default `Timing`:

1. The leader reads its clock (s), then sends a renewal. The answer arrives: it may write until s + 10 s.
2. The process is stopped (SIGSTOP, a frozen node), and renews no more.
3. A standby saw the Lease change at t, by its own clock. The server stored the renewal after it was sent, and
   the standby saw it after that, so t is later than s. It takes the Lease at t + 15 s at the earliest.
4. The old leader resumes. The event loop may first run a pass that was decided before the stop; the elector
   steps down only when its own turn comes.
5. The pass wants to write: `kube/client/client.py` compares the clock with the deadline just before sending,
   and sends nothing.

So the deadline counts from before the renewal was sent, not from its answer; the clock goes on while the
process or the machine is stopped (CLOCK_BOOTTIME); the check is in the client, where every write passes; and
a write is cut off at the deadline. What was already on its way is harmless, as writes are guarded by uid,
resourceVersion or name. A Lease that somebody deletes, or takes before its time, is left alone until the
holder's own time is over (`LeaseObserver`): the holder notices at its next renewal, and writes until then.

The deadline alone does not stop a pass of an earlier term once this process leads again: another leader may
have acted in between. Each pass therefore belongs to a term, see `engine/term.py`.
"""

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
    """Leads from `on_gain` to `on_loss`, and until the write deadline at the latest (see above).

    - `clock` must go on while the process is stopped. A write checks `seconds_left` just before it is sent.
    - A leader that misses its deadline becomes a standby, and may take the Lease again.
    - `client` must be this elector's own: a renewal must not wait behind other requests.
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
        """How many times this process has become leader."""
        self.trouble: str | None = None
        """Why the Lease cannot be read or written; None if it can."""

    @property
    def seconds_left(self) -> float:
        """How long writes may still be sent; negative if this process is not the leader."""
        return self._deadline - self._clock()

    @property
    def holder(self) -> str:
        """The holder of the Lease when it was last seen; empty if there was none."""
        return self._observer.holder

    @property
    def leading(self) -> bool:
        return self.seconds_left > 0

    async def run(self) -> None:
        """Take part in the election until cancelled."""
        while True:
            wait = await (self._keep() if self._deadline != NEVER else self._stand())
            await asyncio.sleep(wait)

    async def release(self) -> None:
        """Stop leading, and release the Lease if it is ours, so that another leads at once."""
        held, left = self._lease, self.seconds_left
        self._step_down("shutting down")
        if held is not None and left > 0:
            body = release(held, _now())
            await self._client.request("patch", self._path, body=body, within=min(left, 1.0))

    async def _stand(self) -> float:
        """Look at the Lease once as a standby; return the seconds until the next look."""
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
        """Renew the Lease once as the leader; return the seconds until the next renewal."""
        lease = self._lease
        if lease is None:
            return await self._hold(self._create)
        return await self._hold(lambda: self._patch(renewal(lease, _now())))

    async def _hold(self, write: Callable[[], Awaitable[dict[str, Any] | ApiFailure]]) -> float:
        """Write ourselves into the Lease; return the seconds until that is due again."""
        if self._deadline != NEVER and not self.leading:
            self._step_down("the Lease could not be renewed in time")
            return 0.0
        sent = self._clock()
        answer = await write()
        if isinstance(answer, ApiFailure):
            return await self._not_held(answer)
        self.trouble = None
        if self._deadline != NEVER and not self.leading:
            # Renewed after all, but writes were refused in between: that is a new term.
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
        """Look at the Lease after a write that failed; return the seconds until the next attempt."""
        if policy(failure) not in {Policy.CONFLICT, Policy.GONE}:
            return self._not_now(failure)
        answer = await self._client.get(self._path, within=self._patience())
        if isinstance(answer, ApiFailure):
            if policy(answer) is not Policy.GONE:
                return self._not_now(answer)
            known, self._lease = self._lease, None
            if known is None or not self.leading:
                return self._not_now(failure)
            return 0.0  # It was deleted. While we lead, we recreate it.
        self._lease = self._seen(answer)
        if self._lease.holder != self._identity:
            self._step_down(f"the Lease is held by {self._lease.holder or 'nobody'}")
            return self._timing.retry_every
        return 0.0  # An answer to us was lost, or somebody set a label: write again.

    def _seen(self, obj: Mapping[str, Any]) -> Lease:
        lease = lease_from_object(obj)
        self._observer.observe(lease, self._clock())
        return lease

    def _not_now(self, failure: ApiFailure) -> float:
        if self.trouble is None:
            log.warning("Cannot read or write the Lease: %s", failure.message)
        self.trouble = failure.message
        if self._deadline == NEVER:
            return self._timing.retry_every
        return max(0.0, min(self._timing.retry_every, self.seconds_left))

    def _step_down(self, reason: str) -> None:
        self._lease = None
        if self._deadline == NEVER:
            return
        self._deadline = NEVER
        log.warning("No longer leading", extra={"reason": reason})
        self._on_loss()

    async def _create(self) -> dict[str, Any] | ApiFailure:
        body = lease_object(self._namespace, self._identity, self._timing, _now())
        return await self._client.create(self._collection, body, within=self._patience())

    async def _patch(self, body: Mapping[str, Any]) -> dict[str, Any] | ApiFailure:
        return await self._client.request("patch", self._path, body=body, within=self._patience())

    def _patience(self) -> float:
        """Seconds for one request; a leader's request must not outlast its deadline."""
        return max(0.1, min(self._timing.renew_every, self.seconds_left)) if self.leading else 5.0


def _now() -> datetime:
    return datetime.now(UTC)
