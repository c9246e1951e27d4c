"""What the process remembers of a cluster's Ray between passes, and what it makes of the last answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rayfleet.errors import GcsTrouble
from rayfleet.kinds.raycluster.leaving.ray_nodes import node_trouble
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import STALE_SECONDS, Observation
from rayfleet.ray.state import NodeStatus, RayState, RayView

SETTLE_SECONDS = 70.0
"""After a head has started anew, its workers have so long to join or to end: Ray gives up after 60 s."""
KEEP_SECONDS = 2.0
"""After Ray has refused to give a node up, it is not asked again for so long: its next answers say why."""
DRAIN_SECONDS = 10.0
"""A node that still takes work so long after Ray was asked to give it up was not: the question was lost."""
_NOT_TAKEN = frozenset({GcsTrouble.INVALID, GcsTrouble.TOO_LARGE})
_GOES_ON = frozenset({NodeStatus.RUNNING, NodeStatus.IDLE})


@dataclass(slots=True)
class RayMemory:
    """Memory of the Ray of one cluster. Losing it never makes a cluster smaller than it should be."""

    alive: dict[bytes, str] = field(default_factory=dict)
    """Ids of nodes that were alive, to the names of their pods."""
    dead_since: dict[bytes, float] = field(default_factory=dict)
    drained: dict[bytes, float] = field(default_factory=dict)
    """Ids of nodes that Ray was asked to give up, or that were given up and sizes count no more, to when."""
    kept: dict[bytes, float] = field(default_factory=dict)
    """Ids of nodes that Ray would not give up, to when it may be asked again; Unix seconds."""
    session: str = ""

    def asked_to_drain(self, node_id: bytes, now: float) -> None:
        """Note that Ray was asked to give a node up. Without an answer it may well have done so."""
        self.drained[node_id] = now

    def refused_to_drain(self, node_id: bytes, now: float) -> None:
        """Note that Ray keeps a node that it was asked to give up."""
        self.drained.pop(node_id, None)
        self.kept[node_id] = now + KEEP_SECONDS

    def forget_times(self, now: float) -> None:
        """The clock was set: what has a time begins anew."""
        self.dead_since = dict.fromkeys(self.dead_since, now)
        self.drained = dict.fromkeys(self.drained, now)
        self.kept.clear()

    def acted_on(self, view: RayView, now: float) -> None:
        """Note that sizes count nodes no more that were given up by another operator than this one."""
        self.drained |= dict.fromkeys(view.found_drained, now)

    def learn(self, seen: Observation | None, pods: Sequence[Pod], now: float) -> None:
        """Remember the last answer as far as it can be believed."""
        if seen is None or seen.state is None or self._trouble(seen, seen.state, pods, now)[0]:
            return
        self._learn(seen.state, seen.taken.unix if seen.taken is not None else 0.0, pods, now)

    def view(self, seen: Observation | None, pods: Sequence[Pod], now: float) -> RayView:
        """What the last answer is worth now."""
        if seen is None or seen.state is None:
            words = seen.failure.message if seen is not None and seen.failure is not None else ""
            since = seen.unknown_since.unix if seen is not None and seen.unknown_since is not None else None
            said = seen is not None and seen.failure is not None and seen.failure.trouble in _NOT_TAKEN
            trouble = "the head's answer is not taken" if said else "the head has not answered yet"
            trouble += f"{': ' if words else ''}{words}"
            return RayView(trouble=trouble, since=since)
        state, taken = seen.state, seen.taken.unix if seen.taken is not None else 0.0
        trouble, since, settles_at = self._trouble(seen, state, pods, now)
        return RayView(
            state=state,
            taken=taken,
            trouble=trouble,
            since=since,
            drained=frozenset(self.drained),
            found_drained=_given_up(seen).difference(self.drained),
            dead_since=dict(self.dead_since),
            kept={node_id: until for node_id, until in self.kept.items() if until > now},
            session_since=seen.session_since.unix if seen.session_since is not None else None,
            unheard_until=self._unheard_until(state),
            settles_at=settles_at,
        )

    def _trouble(
        self, seen: Observation, state: RayState, pods: Sequence[Pod], now: float
    ) -> tuple[str, float | None, float | None]:
        """What is wrong, since when, and until when at most where only time has to pass."""
        taken = seen.taken.unix if seen.taken is not None else 0.0
        if seen.failure is not None:
            since = seen.unknown_since.unix if seen.unknown_since is not None else taken
            said = seen.failure.trouble in _NOT_TAKEN
            words = "the head's answer is not taken" if said else "the head does not answer"
            return f"{words}: {seen.failure.message}", since, None
        if now - taken > STALE_SECONDS:
            return "the head has not been asked for a while", taken, None
        known = self.alive if self.session in {"", state.session} else {}
        trouble = node_trouble(state, pods, known)
        if trouble:
            return trouble, taken, None
        began = seen.session_since.unix if seen.session_since is not None else taken
        if self.session not in {"", state.session} and now - began < SETTLE_SECONDS:
            joined = state.joined
            if any(pod.name in self.alive.values() and pod.name not in joined for pod in pods if pod.active):
                words = "the head has started anew, and its workers have not all joined it"
                return words, began, began + SETTLE_SECONDS
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
        mine = {node.node_id for node in state.nodes if node.node_id in dead and node.instance_id in names}
        self.dead_since = {node_id: self.dead_since.get(node_id, now) for node_id in mine}
        stays = {node.node_id for node in state.nodes if node.status in _GOES_ON}
        listed = {node.node_id for node in state.nodes if node.instance_id in names}
        self.drained = {
            node_id: at
            for node_id, at in self.drained.items()
            if node_id in listed and (node_id not in stays or taken - at < DRAIN_SECONDS)
        }
        self.kept = {node_id: until for node_id, until in self.kept.items() if until > now}


def _given_up(seen: Observation) -> frozenset[bytes]:
    return frozenset(node_id for node_id, cause in seen.deaths.items() if cause is DeathCause.DRAIN_IDLE)
