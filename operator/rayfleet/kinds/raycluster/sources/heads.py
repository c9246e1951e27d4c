"""The heads of clusters that scale with their queue: which are polled, and what is reported to them."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.engine.outcome import NotTried, Outcome, Refused, Succeeded, Unanswered
from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kinds.raycluster.manifests import gcs_port
from rayfleet.kinds.raycluster.plan import DrainNode
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.silence import SilentHeads
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens, NoToken, Token
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.polling import Observation, Poller, Target
from rayfleet.ray.state import AutoscalingReport, DrainReason

if TYPE_CHECKING:
    from rayfleet.ray.gcs.client import GcsClient

log = logging.getLogger(__name__)

TELL_SECONDS = 2.0
"""How long a head may take to answer a report or a drain."""
PATIENCE_SECONDS = 0.05
"""How long a pass waits for a report: a healthy head needs a few milliseconds."""
LOOK_AGAIN_SECONDS = 10.0
"""Between checks whether a head is at the address to which its token may be sent."""


class RayHeads:
    """Polls each head for its queue, and sends it decisions while `may_write` leaves time for that."""

    def __init__(
        self,
        poller: Poller,
        tokens: ClusterTokens,
        addresses: PodAddresses,
        may_write: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poller = poller
        self._tokens = tokens
        self._addresses = addresses
        self._may_write = may_write
        self._silence = SilentHeads(clock)
        self._troubles: dict[Key, str] = {}
        self._asked: dict[str, Key] = {}
        """The cluster whose head is polled at an address."""
        self._at: dict[Key, str] = {}
        self._reports: dict[Key, asyncio.Task[None]] = {}
        self._later: dict[Key, tuple[AutoscalingReport, Callable[[], None]]] = {}
        """The next report of a cluster, to be sent when the current one has ended."""

    async def follow(self, snapshot: Snapshot, spec: RayClusterSpec, *, active: bool) -> float | None:
        """Poll the cluster's current head, every second while `active`; none while it has no head.

        Returns the seconds until the next call is due without any event, because its token may have changed.
        """
        cluster = snapshot.cluster
        heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD and pod.active and pod.pod_ip]
        if not heads:
            self._leave(cluster.key)
            return None
        seen = self._poller.observation(cluster.key)
        refused = (
            seen is not None
            and seen.failure is not None
            and seen.failure.trouble is GcsTrouble.UNAUTHENTICATED
        )
        if refused:
            self._tokens.refused(cluster.key)
        if seen is not None and seen.failure:
            self._addresses.doubt(cluster.key)
        head = max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created))
        address = dialled(head.pod_ip, gcs_port(spec.head_group_spec))
        token = await self._tokens.token(cluster, spec)
        trouble = token.message if isinstance(token, NoToken) else ""
        if isinstance(token, Token):
            trouble = self._shared(cluster.key, address) or await self._addresses.trouble(cluster.key, head)
        if trouble:
            self._leave(cluster.key)
            self._troubles[cluster.key] = trouble
            return self._tokens.again_in(cluster.key) if isinstance(token, NoToken) else LOOK_AGAIN_SECONDS
        self._troubles.pop(cluster.key, None)
        self._stay_at(cluster.key, address)
        secret = token.value if isinstance(token, Token) else None
        self._poller.watch(cluster.key, Target(cluster.uid, address, secret, head.name), active=active)
        return self._tokens.again_in(cluster.key) if refused else None

    def forget(self, key: Key) -> None:
        """The cluster is gone, or no longer scales with its queue."""
        self._leave(key)
        self._tokens.forget(key)
        self._addresses.doubt(key)
        self._troubles.pop(key, None)
        self._silence.forget(key)

    def observation(self, key: Key) -> Observation | None:
        """The latest observation of a head."""
        return self._poller.observation(key)

    def took(self, key: Key, seconds: float) -> None:
        """A decision about a head's answer took `seconds`: the longer, the less often it is polled."""
        self._poller.took(key, seconds)

    def poke(self, key: Key) -> None:
        """A pod of the cluster has changed: poll its head soon."""
        self._poller.poke(key)

    def forget_all(self) -> None:
        """Another operator leads: poll no head."""
        self._poller.forget_all()

    def trouble(self, key: Key) -> str:
        """Why a head cannot be polled at all; empty if it can."""
        return self._troubles.get(key, "")

    async def drain(self, key: Key, action: DrainNode) -> Outcome:
        """Ask Ray to drain an idle node."""
        client = self._client(key)
        if client is None:
            return NotTried(action)
        answer = await client.drain_node(
            action.node_id, DrainReason.IDLE_TERMINATION, action.reason, seconds=TELL_SECONDS
        )
        self._poller.poke(key)
        if isinstance(answer, GcsFailure):
            self._note_silence(key, answer)
            return Unanswered(action, answer)
        return Succeeded(action) if answer.accepted else Refused(action, answer.refusal or "refused")

    async def report(self, key: Key, report: AutoscalingReport, accepted: Callable[[], None]) -> None:
        """Report to Ray what is starting and what cannot start; `accepted` is called once it has answered.

        No pass waits long for that: a head that accepts reports and does not answer holds up nobody.
        """
        if key in self._reports:
            self._later[key] = report, accepted
            return
        client = self._client(key)
        if client is None:
            return
        await asyncio.wait({self._start(key, client, report, accepted)}, timeout=PATIENCE_SECONDS)

    async def close(self) -> None:
        """Stop reporting."""
        self._later.clear()
        tasks = list(self._reports.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(
        self, key: Key, client: "GcsClient", report: AutoscalingReport, accepted: Callable[[], None]
    ) -> asyncio.Task[None]:
        task = self._reports[key] = asyncio.create_task(self._report(key, client, report, accepted))
        task.add_done_callback(lambda done: self._reported(key, done))
        return task

    async def _report(
        self, key: Key, client: "GcsClient", report: AutoscalingReport, accepted: Callable[[], None]
    ) -> None:
        failure = await client.report_autoscaling(report, TELL_SECONDS)
        if failure is None:
            accepted()
        else:
            self._note_silence(key, failure)

    def _reported(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._reports.get(key) is task:
            del self._reports[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Reporting to a head failed: a defect", exc_info=error, extra={"cluster": str(key)})
        later, client = self._later.pop(key, None), self._client(key)
        if later is not None and client is not None:
            self._start(key, client, *later)

    def _client(self, key: Key) -> "GcsClient | None":
        """To ask something of a head with; None where that must not be done now."""
        may = self._may_write() > 0 and not self._silence.is_silent(key)
        return self._poller.client(key) if may else None

    def _note_silence(self, key: Key, failure: GcsFailure) -> None:
        if failure.trouble is GcsTrouble.DEADLINE:
            self._silence.timed_out(key)

    def _shared(self, key: Key, address: str) -> str:
        """Why it is not certain whose head is at an address; empty if it is."""
        if self._asked.get(address, key) == key:
            return ""
        return f"another cluster's head also has the address {address}, so no token is sent"

    def _stay_at(self, key: Key, address: str) -> None:
        if self._at.get(key) != address:
            self._free(key)
            self._at[key] = address
            self._asked.setdefault(address, key)

    def _leave(self, key: Key) -> None:
        self._poller.forget(key)
        self._free(key)
        self._later.pop(key, None)
        if (task := self._reports.pop(key, None)) is not None:
            task.cancel()

    def _free(self, key: Key) -> None:
        address = self._at.pop(key, "")
        if self._asked.get(address) == key:
            del self._asked[address]


def dialled(host: str, port: str | int) -> str:
    """Host and port as one address; IPv6 in brackets because of its colons."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
