"""Planners and views that scale wrongly on purpose, to show that the checks of a queue's trial notice."""

from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import Cause, DeletePod, DrainNode, Plan, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.ray.state import NodeStatus, RayView

_AGES = 1e6


def deletes_without_a_drain(snapshot: Snapshot) -> Plan:
    """Deletes the pod of an idle worker at once."""
    decided = plan(snapshot)
    pods = {pod.name: pod for pod in snapshot.pods}
    deletes = [
        DeletePod(pod.node_type, pod.group, pod.name, pod.uid, Cause.IDLE, "broken")
        for drain in decided.drains
        if (pod := pods.get(drain.pod)) is not None
    ]
    return replace(decided, drains=(), deletes=(*decided.deletes, *deletes))


def drains_busy_nodes(snapshot: Snapshot) -> Plan:
    """Asks Ray to drain the busy nodes."""
    decided, state = plan(snapshot), snapshot.scaling.ray.state
    pods = {pod.name: pod for pod in snapshot.pods if pod.active}
    drains = [
        DrainNode(node.group, node.instance_id, node.node_id, "broken")
        for node in (state.nodes if state is not None else ())
        if node.status is NodeStatus.RUNNING and node.instance_id in pods
    ]
    return replace(decided, drains=tuple(drains))


def takes_unknown_for_zero(snapshot: Snapshot) -> Plan:
    """Sees no demand and idle nodes alone where Ray's state is not known."""
    ray = snapshot.scaling.ray
    if ray.trouble and ray.state is not None:
        idle = tuple(
            replace(node, status=NodeStatus.IDLE, idle_seconds=_AGES, available=node.total)
            for node in ray.state.nodes
            if node.status is not NodeStatus.DEAD
        )
        state = replace(ray.state, nodes=idle, demands=(), gangs=(), constraints=())
        ray = RayView(state, ray.taken, drained=ray.drained, kept=ray.kept)
    return _seeing(snapshot, ray)


def serves_demand_twice(snapshot: Snapshot) -> Plan:
    """Makes two workers for each task."""
    ray = snapshot.scaling.ray
    if ray.state is not None:
        twice = tuple(replace(demand, count=2 * demand.count) for demand in ray.state.demands)
        ray = replace(ray, state=replace(ray.state, demands=twice))
    return _seeing(snapshot, ray)


def _seeing(snapshot: Snapshot, ray: RayView) -> Plan:
    return plan(replace(snapshot, scaling=replace(snapshot.scaling, ray=ray)))
