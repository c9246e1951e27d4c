"""Which pods Ray's nodes belong to, and whether what Ray says can be decided by."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import NodeStatus, RayState

DEAD_SECONDS = 30.0
"""How long a pod has to join anew, once its Ray node is dead and we know not why."""


def trusted_state(snapshot: Snapshot) -> RayState | None:
    """What Ray says, where it is fresh and complete; none where it is not, and then nothing shrinks."""
    ray = snapshot.scaling.ray
    if ray.state is None or ray.trouble:
        return None
    return ray.state


def with_its_own_head(state: RayState, pods: Iterable[Pod]) -> RayState:
    """The state, in which no node but that of a head pod counts as a head: a head may list what it likes."""
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
    """Pods in which Ray has ended while they live on."""

    causes: Mapping[str, tuple[Cause, str]]
    """By the pod's name, why it goes, in words as well."""
    counted: frozenset[str] = frozenset()
    """Those of them that the sizes acted on last may still count: another operator gave them up."""
    parted: frozenset[str] = frozenset()
    """Multi-host replicas with such a host: without it the others serve for nothing."""
    due_at: float | None = None
    """When the next pod whose node is dead has had its time to join anew, Unix seconds."""


def gone_with_their_node(snapshot: Snapshot) -> Gone:
    """Which pods have lost their Ray node for good.

    `ray start` goes on after a drain, so such a pod would stand there for ever. One that has another
    node alive has joined anew. One whose node died by itself has some time to do so.
    """
    ray = snapshot.scaling.ray
    state = trusted_state(snapshot)
    if state is None:
        return Gone({})
    alive = state.joined
    pods = {pod.name: pod for pod in snapshot.pods if pod.node_type == NodeType.WORKER and pod.active}
    found: dict[str, tuple[Cause, str]] = {}
    counted, due = set(), []
    for node in state.nodes:
        name = node.instance_id
        if node.status is not NodeStatus.DEAD or name not in pods or name in alive:
            continue
        if node.node_id in ray.drained or node.node_id in ray.found_drained:
            found[name] = Cause.IDLE, "Ray has given its node up, which was idle and is not needed"
            if node.node_id in ray.found_drained:
                counted.add(name)
            continue
        due_at = ray.dead_since.get(node.node_id, snapshot.now) + DEAD_SECONDS
        if snapshot.now >= due_at:
            found.setdefault(name, (Cause.RAY_ENDED, "its Ray node is dead, and no other has come"))
        else:
            due.append(due_at)
    hosts = [host for name in found if (host := pods[name].host) is not None]
    parted = frozenset(host.replica for host in hosts)
    listed = {node.instance_id for node in state.nodes}
    for name, pod in pods.items():
        if pod.host is not None and pod.host.replica in parted and name not in listed:
            found[name] = Cause.RAY_ENDED, "it has not joined Ray, and its replica has lost another host"
    return Gone(found, frozenset(counted), parted, min(due, default=None))


def node_trouble(state: RayState, pods: Iterable[Pod], known: Mapping[bytes, str]) -> str:
    """Why an answer of Ray's cannot be that of the whole cluster; empty where it can.

    `known` are the ids of nodes that were alive, to the names of their pods: Ray lists dead ones as well.
    """
    if not any(node.group == HEAD_GROUP and node.status is not NodeStatus.DEAD for node in state.nodes):
        return "Ray's head does not list itself"
    listed = {node.node_id for node in state.nodes}
    there = {pod.name for pod in pods}
    missing = sum(name in there and node_id not in listed for node_id, name in known.items())
    return f"Ray does not list {counted(missing, 'node')} that it had" if missing else ""
