"""The heads of the clusters that scale with their queue: who is asked, and what they are told."""

from collections.abc import Callable

from rayfleet.api import RayClusterSpec
from rayfleet.api.names import NodeType
from rayfleet.clients.cluster_tokens import ClusterTokens, NoToken
from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.manifests import gcs_port
from rayfleet.plan import DrainNode, Outcome
from rayfleet.ray_polling import Observation, Poller, Target
from rayfleet.ray_state import AutoscalingReport, DrainReason
from rayfleet.snapshot import Key, Snapshot

NOT_NOW = GcsFailure(GcsTrouble.UNREACHABLE, "the head is not known, or this operator is not the leader")


class RayHeads:
    """Asks each head for its queue, and passes on what was decided while `may_write` gives time for it."""

    def __init__(self, poller: Poller, tokens: ClusterTokens, may_write: Callable[[], float]) -> None:
        self._poller = poller
        self._tokens = tokens
        self._may_write = may_write
        self._troubles: dict[Key, str] = {}

    async def follow(self, snapshot: Snapshot, spec: RayClusterSpec, *, active: bool) -> float | None:
        """Ask the head that the cluster has now, each second while `active`; nobody while it has none.

        Seconds until it should be followed anew, though nothing has happened: its token may be another.
        """
        cluster = snapshot.cluster
        heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD and pod.active and pod.pod_ip]
        if not heads:
            self._poller.forget(cluster.key)
            return None
        seen = self._poller.observation(cluster.key)
        refused = (
            seen is not None
            and seen.failure is not None
            and seen.failure.trouble is GcsTrouble.UNAUTHENTICATED
        )
        if refused:
            self._tokens.refused(cluster.key)
        token = await self._tokens.token(cluster, spec)
        if isinstance(token, NoToken):
            self._troubles[cluster.key] = token.message
            self._poller.forget(cluster.key)
            return self._tokens.again_in(cluster.key)
        self._troubles.pop(cluster.key, None)
        head = max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created))
        address = f"{head.pod_ip}:{gcs_port(spec.head_group_spec)}"
        target = Target(cluster.uid, address, token.value if token is not None else None)
        self._poller.watch(cluster.key, target, active=active)
        return self._tokens.again_in(cluster.key) if refused else None

    def forget(self, key: Key) -> None:
        """The cluster is gone, or does not scale with its queue any more."""
        self._poller.forget(key)
        self._tokens.forget(key)
        self._troubles.pop(key, None)

    def observation(self, key: Key) -> Observation | None:
        """The last thing that was heard of a head."""
        return self._poller.observation(key)

    def trouble(self, key: Key) -> str:
        """Why a head cannot even be asked, in words; empty where it can."""
        return self._troubles.get(key, "")

    async def drain(self, key: Key, action: DrainNode) -> Outcome:
        """Ask Ray to give up a node that is idle."""
        client = self._poller.client(key)
        if client is None or self._may_write() <= 0:
            return Outcome(action, tried=False, unanswered=NOT_NOW)
        answer = await client.drain_node(action.node_id, DrainReason.IDLE_TERMINATION, action.reason)
        self._poller.poke(key)
        if isinstance(answer, GcsFailure):
            return Outcome(action, unanswered=answer)
        return Outcome(action, refusal="" if answer.accepted else answer.refusal or "refused")

    async def report(self, key: Key, report: AutoscalingReport) -> GcsFailure | None:
        """Tell Ray what is on its way, and what cannot be had."""
        client = self._poller.client(key)
        if client is None or self._may_write() <= 0:
            return NOT_NOW
        return await client.report_autoscaling(report)
