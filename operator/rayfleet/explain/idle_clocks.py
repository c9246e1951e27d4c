"""Which nodes are idle, and when they leave if they stay idle: the decision, run for a later time."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling import Decision, Memory
from rayfleet.kinds.raycluster.plan import Plan, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.ray.state import NodeStatus, RayNode, RayState


class IdleClock(NamedTuple):
    """One node that is idle, or leaving."""

    pod: str
    group: str
    idle: float
    """Seconds."""
    timeout: float
    """Seconds."""
    goes_in: float | None
    """Seconds until Ray is asked to drain it, if no work comes; None if it stays."""
    words: str


def idle_clocks(snapshot: Snapshot, spec: RayClusterSpec, now: Plan) -> tuple[IdleClock, ...]:
    """One clock per idle worker, the first to leave first. `now` is the plan for `snapshot`."""
    state = snapshot.scaling.ray.state
    if state is None or now.decision is None:
        return ()
    default = spec.autoscaler_options.idle_timeout_seconds
    timeouts = {
        group.group_name: float(default if group.idle_timeout_seconds is None else group.idle_timeout_seconds)
        for group in spec.worker_group_specs
    }
    nodes = [node for node in state.nodes if node.group in timeouts]
    idle = [node for node in nodes if node.status is NodeStatus.IDLE]
    longest = max((timeouts[node.group] - node.idle_seconds for node in idle), default=0.0)
    later = _in(snapshot, state, max(longest, 0.0))
    clocks = list(_clocks(idle, timeouts, now.decision, later, spec))
    clocks += [
        IdleClock(node.instance_id, node.group, node.idle_seconds, timeouts[node.group], 0.0, "leaving")
        for node in nodes
        if node.status is NodeStatus.DRAINING
    ]
    return tuple(sorted(clocks, key=lambda clock: (clock.goes_in is None, clock.goes_in or 0.0, clock.pod)))


def _in(snapshot: Snapshot, state: RayState, seconds: float) -> Decision | None:
    """The decision in `seconds` from now, if nothing happens."""
    nodes = tuple(
        replace(node, idle_seconds=node.idle_seconds + seconds) if node.status is NodeStatus.IDLE else node
        for node in state.nodes
    )
    at = snapshot.now + seconds
    ray = replace(snapshot.scaling.ray, state=replace(state, nodes=nodes), taken=at)
    later = replace(snapshot, now=at, scaling=replace(snapshot.scaling, ray=ray))
    return plan(later, Memory(began=0.0)).decision


def _clocks(
    idle: list[RayNode],
    timeouts: dict[str, float],
    now: Decision,
    later: Decision | None,
    spec: RayClusterSpec,
) -> Iterator[IdleClock]:
    at_once = {drained.node_id: drain.message for drain in now.drains for drained in drain.nodes}
    left = {node.node_id: max(timeouts[node.group] - node.idle_seconds, 0.0) for node in idle}
    goes = {
        drained.node_id: max(left.get(other.node_id, 0.0) for other in drain.nodes)
        for drain in (later.drains if later is not None else ())
        for drained in drain.nodes
    }
    least = {group.group_name: group.min_replicas for group in spec.worker_group_specs}
    sizes = {group.name: group.wanted for group in (later or now).groups}
    for node in idle:
        seconds: float | None = None
        if node.node_id in at_once:
            seconds, reason = 0.0, at_once[node.node_id]
        elif node.node_id in goes:
            seconds, reason = goes[node.node_id], "if no work comes"
        elif sizes.get(node.group, 0) <= least[node.group]:
            reason = f"the group is at its min of {least[node.group]}"
        else:
            reason = "waiting work, request_resources, a metric or a window needs it"
        timeout = timeouts[node.group]
        yield IdleClock(node.instance_id, node.group, node.idle_seconds, timeout, seconds, reason)
