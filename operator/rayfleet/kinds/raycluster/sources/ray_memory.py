"""What the process remembers about a cluster's Ray between passes, and how it reads the last answer."""

from collections.abc import Sequence

from msgspec import Struct, field

from rayfleet.errors import GcsTrouble
from rayfleet.kinds.raycluster.leaving.ray_nodes import node_trouble
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import STALE_SECONDS, Observation
from rayfleet.ray.state import NodeStatus, RayState, RayView

SETTLE_SECONDS = 70.0
"""How long workers have to join or to end after a head has restarted: Ray gives up after 60 s."""
KEEP_SECONDS = 2.0
"""How long Ray is not asked again after it refused a drain: its next answers show why."""
DRAIN_SECONDS = 10.0
"""If a node still takes work this long after its drain was requested, the request was lost."""
_NOT_TAKEN = frozenset({GcsTrouble.INVALID, GcsTrouble.TOO_LARGE})
_GOES_ON = frozenset({NodeStatus.RUNNING, NodeStatus.IDLE})


class RayMemory(Struct):
    """Memory of one cluster's Ray. Losing it never makes a cluster smaller than it should be."""

    alive: dict[bytes, str] = field(default_factory=dict)
    """Pod names by the ids of nodes that were alive."""
    dead_since: dict[bytes, float] = field(default_factory=dict)
    drained: dict[bytes, float] = field(default_factory=dict)
    """When each drain was requested, or recorded as no longer included in the sizes, by node id."""
    kept: dict[bytes, float] = field(default_factory=dict)
    """When Ray may be asked again to drain a node that it refused, Unix seconds, by node id."""
    session: str = ""

    def asked_to_drain(self, node_id: bytes, now: float) -> None:
        """Record that Ray was asked to drain a node. Even without an answer it may have done so."""
        self.drained[node_id] = now

    def refused_to_drain(self, node_id: bytes, now: float) -> None:
        """Record that Ray refused to drain a node."""
        self.drained.pop(node_id, None)
        self.kept[node_id] = now + KEEP_SECONDS

    def forget_times(self, now: float) -> None:
        """The clock was set: restart all periods."""
        self.dead_since = dict.fromkeys(self.dead_since, now)
        self.drained = dict.fromkeys(self.drained, now)
        self.kept.clear()

    def acted_on(self, view: RayView, now: float) -> None:
        """Record that the wanted sizes no longer include nodes drained by a previous operator."""
        self.drained |= dict.fromkeys(view.found_drained, now)

    def learn(self, seen: Observation | None, pods: Sequence[Pod], now: float) -> None:
        """Remember the last answer if it can be trusted."""
        if seen is None or seen.state is None or self._trouble(seen, seen.state, pods, now)[0]:
            return
        self._learn(seen.state, seen.taken.unix if seen.taken is not None else 0.0, pods, now)

    def view(self, seen: Observation | None, pods: Sequence[Pod], now: float) -> RayView:
        """What the last answer is worth now."""
        if seen is None or seen.state is None:
            message = seen.failure.message if seen is not None and seen.failure is not None else ""
            since = seen.unknown_since.unix if seen is not None and seen.unknown_since is not None else None
            rejected = seen is not None and seen.failure is not None and seen.failure.trouble in _NOT_TAKEN
            trouble = "the head's answer was rejected" if rejected else "the head has not answered yet"
            trouble += f"{': ' if message else ''}{message}"
            return RayView(trouble=trouble, since=since)
        state, taken = seen.state, seen.taken.unix if seen.taken is not None else 0.0
        trouble, since, settles_at = self._trouble(seen, state, pods, now)
        return RayView(
            state=state,
            taken=taken,
            trouble=trouble,
            since=since,
            drained=frozenset(self.drained),
            found_drained=_drained_as_idle(seen).difference(self.drained),
            dead_since=dict(self.dead_since),
            kept={node_id: until for node_id, until in self.kept.items() if until > now},
            session_since=seen.session_since.unix if seen.session_since is not None else None,
            unheard_until=self._unheard_until(state),
            settles_at=settles_at,
        )

    def _trouble(
        self, seen: Observation, state: RayState, pods: Sequence[Pod], now: float
    ) -> tuple[str, float | None, float | None]:
        """What is wrong, since when, and until when at most if only time has to pass."""
        taken = seen.taken.unix if seen.taken is not None else 0.0
        if seen.failure is not None:
            since = seen.unknown_since.unix if seen.unknown_since is not None else taken
            rejected = seen.failure.trouble in _NOT_TAKEN
            what = "the head's answer was rejected" if rejected else "the head does not answer"
            return f"{what}: {seen.failure.message}", since, None
        if now - taken > STALE_SECONDS:
            return "the head has not been polled for a while", taken, None
        known = self.alive if self.session in {"", state.session} else {}
        trouble = node_trouble(state, pods, known)
        if trouble:
            return trouble, taken, None
        began = seen.session_since.unix if seen.session_since is not None else taken
        if self.session not in {"", state.session} and now - began < SETTLE_SECONDS:
            joined = state.joined
            if any(pod.name in self.alive.values() and pod.name not in joined for pod in pods if pod.active):
                message = "the head has restarted, and not all of its workers have joined it"
                return message, began, began + SETTLE_SECONDS
        return "", None, None

    def _unheard_until(self, state: RayState) -> float | None:
        going_on = [node.node_id for node in state.nodes if node.status in _GOES_ON]
        asked = [self.drained[node_id] for node_id in going_on if node_id in self.drained]
        return min(asked) + DRAIN_SECONDS if asked else None

    def _learn(self, state: RayState, taken: float, pods: Sequence[Pod], now: float) -> None:
        names = {pod.name for pod in pods}
        dead = {node.node_id for node in state.nodes if node.status is NodeStatus.DEAD}
        self.session = state.session
        self.alive = {
            node.node_id: node.instance_id
            for node in state.nodes
            if node.node_id not in dead and node.instance_id in names
        }
        ours = {node.node_id for node in state.nodes if node.node_id in dead and node.instance_id in names}
        self.dead_since = {node_id: self.dead_since.get(node_id, now) for node_id in ours}
        stays = {node.node_id for node in state.nodes if node.status in _GOES_ON}
        listed = {node.node_id for node in state.nodes if node.instance_id in names}
        self.drained = {
            node_id: at
            for node_id, at in self.drained.items()
            if node_id in listed and (node_id not in stays or taken - at < DRAIN_SECONDS)
        }
        self.kept = {node_id: until for node_id, until in self.kept.items() if until > now}


def _drained_as_idle(seen: Observation) -> frozenset[bytes]:
    return frozenset(node_id for node_id, cause in seen.deaths.items() if cause is DeathCause.DRAIN_IDLE)
