"""Which pods Ray's nodes belong to, and whether Ray's answer can be used for decisions."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import NodeStatus, RayState

DEAD_SECONDS = 30.0
"""How long a pod has to join again, once its Ray node is dead for an unknown reason."""


def trusted_state(snapshot: Snapshot) -> RayState | None:
    """Ray's answer if it is fresh and complete; else None, and then nothing shrinks."""
    ray = snapshot.scaling.ray
    if ray.state is None or ray.trouble:
        return None
    return ray.state


def with_its_own_head(state: RayState, pods: Iterable[Pod]) -> RayState:
    """The state in which only a head pod's node counts as a head, because a head may report anything."""
    heads = {pod.name for pod in pods if pod.node_type == NodeType.HEAD}
    if all(node.group != HEAD_GROUP or node.instance_id in heads for node in state.nodes):
        return state
    return replace(
        state,
        nodes=tuple(
            replace(node, group="") if node.group == HEAD_GROUP and node.instance_id not in heads else node
            for node in state.nodes
        ),
    )


class Gone(NamedTuple):
    """Running pods in which Ray has ended."""

    causes: Mapping[str, tuple[Cause, str]]
    """Why each leaves, as cause and message, by pod name."""
    counted: frozenset[str] = frozenset()
    """Those that the recorded sizes may still include, because a previous operator drained them."""
    parted: frozenset[str] = frozenset()
    """Multi-host replicas that lost such a host, without which the others are useless."""
    due_at: float | None = None
    """When the next pod with a dead node has had its time to join again, Unix seconds."""


def gone_with_their_node(snapshot: Snapshot) -> Gone:
    """Which pods have lost their Ray node for good.

    `ray start` keeps running after a drain, so such a pod would never end. A pod with another node alive has
    joined again. One whose node died on its own has some time to do so.
    """
    ray = snapshot.scaling.ray
    state = trusted_state(snapshot)
    if state is None:
        return Gone({})
    alive = state.joined
    pods = {pod.name: pod for pod in snapshot.pods if pod.node_type == NodeType.WORKER and pod.active}
    causes: dict[str, tuple[Cause, str]] = {}
    counted, due = set(), []
    for node in state.nodes:
        name = node.instance_id
        if node.status is not NodeStatus.DEAD or name not in pods or name in alive:
            continue
        if node.node_id in ray.drained or node.node_id in ray.found_drained:
            causes[name] = Cause.IDLE, "Ray has drained its node, which was idle and is not needed"
            if node.node_id in ray.found_drained:
                counted.add(name)
            continue
        due_at = ray.dead_since.get(node.node_id, snapshot.now) + DEAD_SECONDS
        if snapshot.now >= due_at:
            causes.setdefault(name, (Cause.RAY_ENDED, "its Ray node is dead, and it has not joined again"))
        else:
            due.append(due_at)
    hosts = [host for name in causes if (host := pods[name].host) is not None]
    parted = frozenset(host.replica for host in hosts)
    listed = {node.instance_id for node in state.nodes}
    for name, pod in pods.items():
        if pod.host is not None and pod.host.replica in parted and name not in listed:
            causes[name] = Cause.RAY_ENDED, "it has not joined Ray, and its replica has lost another host"
    return Gone(causes, frozenset(counted), parted, min(due, default=None))


def node_trouble(state: RayState, pods: Iterable[Pod], known: Mapping[bytes, str]) -> str:
    """Why Ray's answer cannot describe the whole cluster; empty if it can.

    `known` maps the ids of nodes that were alive to their pods' names: Ray lists dead nodes as well.
    """
    if not any(node.group == HEAD_GROUP and node.status is not NodeStatus.DEAD for node in state.nodes):
        return "Ray's head does not list itself"
    listed = {node.node_id for node in state.nodes}
    there = {pod.name for pod in pods}
    missing = sum(name in there and node_id not in listed for node_id, name in known.items())
    return f"Ray does not list {counted(missing, 'node')} that it had" if missing else ""
