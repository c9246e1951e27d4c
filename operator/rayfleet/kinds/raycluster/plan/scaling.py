"""The part of the plan that follows the queue: from a snapshot to the input of `autoscaling.decide`."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from rayfleet.api.accelerators import accelerators_of_pod
from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Decision,
    GpuHeadroom,
    HoldKind,
    Memory,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.kinds.raycluster.actions import Cause, desired_replicas
from rayfleet.kinds.raycluster.healing.coming import Coming, refusal
from rayfleet.kinds.raycluster.leaving.leave import Leave, Unit
from rayfleet.kinds.raycluster.leaving.ray_nodes import Gone, trusted_state, with_its_own_head
from rayfleet.kinds.raycluster.leaving.states import Counts, reported_by, state_of
from rayfleet.kinds.raycluster.manifests import HEAD_OF_SLICE, is_of_one_host, slice_of, worker_resources
from rayfleet.kinds.raycluster.plan.ceilings import A_MINUTE, CEILING_SECONDS, COUNTING_SECONDS, rooms_of
from rayfleet.kinds.raycluster.plan.groups import Scaled
from rayfleet.kinds.raycluster.plan.learned import NOTHING_LEARNED, Learned, learned
from rayfleet.kinds.raycluster.plan.units import broken_replicas
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.ray.state import NodeStatus

UNHEARD_SECONDS = 1.0
"""Between checks of a node that still runs long after its drain was requested: only a newer answer helps."""
_MANY = 200
"""Entries of demand: beyond this, some may have many resources or label selectors."""
_PODS = 1_000
"""Pods: each is examined, whether the cluster scales or not."""
_LONG = 100_000
"""Nodes times entries of demand, with some entries added for the cost of each node itself."""


def decide_sizes(
    snapshot: Snapshot, spec: RayClusterSpec, memory: Memory, withheld: Mapping[str, str], gone: Gone
) -> Decision:
    """Decide how large the groups should be. `withheld` names groups in which nothing is started, and why."""
    ray = trusted_state(snapshot)
    replicas = {pod.name: pod.host.replica for pod in snapshot.pods if pod.host is not None}
    known = learned(ray if ray is not None else snapshot.scaling.ray.state, replicas)
    return decide(
        with_its_own_head(ray, snapshot.pods) if ray is not None else None,
        [
            replace(
                _group(snapshot, spec, group, gone, known.get(group.group_name, NOTHING_LEARNED)),
                withheld=withheld.get(group.group_name, ""),
            )
            for group in spec.worker_group_specs
        ],
        tuple(_workers(snapshot, spec, gone)),
        policy_of(snapshot, spec),
        memory,
        snapshot.now,
    )


def is_long(snapshot: Snapshot) -> bool:
    """Whether the plan may take 20 ms: then no other cluster should wait for it."""
    if len(snapshot.pods) > _PODS:
        return True
    state, groups = snapshot.scaling.ray.state, len(snapshot.spec.worker_group_specs) if snapshot.spec else 0
    if state is None:
        return False
    entries = len(state.demands) + sum(1 + len(gang.bundles) for gang in state.gangs)
    entries += sum(1 + len(constraint) for constraint in state.constraints)
    # Each entry is compared with each existing and possible node; only a few entries are large.
    there = len(state.nodes) + 4 * groups + 1
    return there * (entries + 20) > _LONG or entries > _MANY


def scaled_groups(snapshot: Snapshot, decision: Decision, gone: Gone) -> dict[str, Scaled]:
    """What the decision means for the pods of each group."""
    deletes: dict[str, dict[str, tuple[Cause, str]]] = {group.name: {} for group in decision.groups}
    for cancel in decision.cancels:
        deletes[cancel.group] |= dict.fromkeys(cancel.pods, (Cause.NOT_NEEDED, cancel.message))
    # Sizes without these pods are written first, so that the next operator does not replace them.
    causes = {} if gone.counted else gone.causes
    # A replica leaves when Ray has ended in all of its hosts: one of them may have become busy.
    running = {pod.host.replica for pod in snapshot.pods if pod.host is not None and pod.name not in causes}
    for pod in snapshot.pods:
        if pod.group in deletes and pod.name in causes and not (pod.host and pod.host.replica in running):
            deletes[pod.group][pod.name] = causes[pod.name]
    return {g.name: Scaled(g.wanted, g.launches, g.growth, deletes[g.name]) for g in decision.groups}


def has_head_of_another(snapshot: Snapshot) -> bool:
    """Whether another operator created the head: then Ray's own autoscaler runs with it and continues."""
    heads = (pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD and pod.active)
    return any(pod.head_epoch is None for pod in heads)


def looks(snapshot: Snapshot, decision: Decision, gone: Gone) -> list[float]:
    """Seconds until time, or what other clusters do, may change the decision."""
    ray, now = snapshot.scaling.ray, snapshot.now
    seconds = [] if decision.next_look is None else [decision.next_look]
    seconds += [at - now for at in (ray.settles_at, gone.due_at, *ray.kept.values()) if at is not None]
    if gone.counted:
        seconds.append(0.0)
    if ray.unheard_until is not None:
        left = ray.unheard_until - now
        seconds.append(left if left > 0 else UNHEARD_SECONDS)
    kinds = {hold.kind for answer in decision.answers for hold in answer.holds}
    kinds |= {hold.kind for group in decision.groups for hold in group.holds}
    if HoldKind.CEILING in kinds:
        seconds.append(CEILING_SECONDS if snapshot.scaling.usage.complete else COUNTING_SECONDS)
    if HoldKind.RATE in kinds and snapshot.scaling.usage.renewed_in is not None:
        seconds.append(snapshot.scaling.usage.renewed_in)
    return seconds


def idle(snapshot: Snapshot, decision: Decision, gone: Gone) -> tuple[Leave, ...]:
    """The units that are idle and not needed."""
    if not decision.drains and not gone.parted:
        return ()
    pods = {pod.name: pod for pod in snapshot.pods}
    drained = [
        Leave(Unit(tuple(pods[name] for name, _ in drain.nodes)), Cause.IDLE, drain.message, drain.nodes)
        for drain in decision.drains
    ]
    return (*drained, *_rests_of_replicas(snapshot, gone))


def _rests_of_replicas(snapshot: Snapshot, gone: Gone) -> Iterator[Leave]:
    """Idle hosts of replicas that have lost another host, without which they are useless."""
    state = trusted_state(snapshot)
    if state is None or not gone.parted:
        return
    hosts = [pod for pod in snapshot.pods if pod.active and pod.host and pod.host.replica in gone.parted]
    pods = {pod.name: pod for pod in hosts}
    for node in state.nodes:
        pod = pods.get(node.instance_id)
        if pod is not None and node.status is NodeStatus.IDLE:
            reason = "another host of its replica was drained"
            yield Leave(Unit((pod,)), Cause.IDLE, reason, ((pod.name, node.node_id),))


def group_of(
    group: WorkerGroupSpec, idle_timeout_seconds: int, known: Learned = NOTHING_LEARNED
) -> WorkerGroup:
    """A worker group as its manifest describes it and, where that says nothing, as its nodes are."""
    resources = worker_resources(group, known.resources)
    of_slice = slice_of(group, resources)
    of_one_host = tuple(resource for resource in resources if is_of_one_host(resource[0]))
    first_host = {**dict(of_slice.first_host), **dict(known.first_host), **dict(of_one_host)}
    return WorkerGroup(
        name=group.group_name,
        resources=tuple(resource for resource in resources if resource not in of_one_host),
        first_host=tuple(sorted(first_host.items())),
        first_host_labels=HEAD_OF_SLICE if any(map(is_of_one_host, first_host)) else (),
        learned_labels=frozenset(key for key, _ in known.labels if key not in group.labels),
        accelerators=accelerators_of_pod(group.template.get("spec") or {}),
        labels=tuple(sorted({**dict(of_slice.labels), **dict(known.labels), **group.labels}.items())),
        num_of_hosts=group.num_of_hosts,
        min_replicas=group.min_replicas,
        max_replicas=group.max_replicas,
        priority=group.priority,
        idle_timeout_seconds=(
            idle_timeout_seconds if group.idle_timeout_seconds is None else group.idle_timeout_seconds
        ),
        fallback=group.fallback,
        desired=desired_replicas(group),
    )


def _group(
    snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec, gone: Gone, known: Learned
) -> WorkerGroup:
    name = group.group_name
    pods = [pod for pod in snapshot.pods if pod.group == name and pod.active]
    present = sum(pod.name not in gone.causes for pod in pods) // group.num_of_hosts
    drained = {pod.host.replica if pod.host else pod.name for pod in pods if pod.name in gone.counted}
    acted = acted_on(snapshot, group)
    if acted is not None and drained:
        # Whether that size still counts them is not known; no remaining replica must leave because of it.
        left = max(acted.wanted - len(drained), min(acted.wanted, present))
        acted = acted._replace(wanted=left)
    # For a new cluster, or one whose status was wiped: no existing pod counts as surplus.
    first = max(present, desired_replicas(group))
    hold = snapshot.held.get(name)
    return replace(
        group_of(group, spec.autoscaler_options.idle_timeout_seconds, known),
        desired=acted.wanted if acted is not None else first,
        resized_to=first if acted is None else group.replicas if acted.replicas != group.replicas else None,
        metric_replicas=_metric_replicas(snapshot, name, acted.wanted if acted is not None else 0),
        refused=refusal(hold) if hold is not None else None,
    )


def _metric_replicas(snapshot: Snapshot, group: str, wanted: int) -> int:
    """What metrics ask for; if they are not known, no less than the current size."""
    asked = [each for each in snapshot.scaling.metric_replicas if each.group == group]
    floors = [wanted for each in asked if not each.known]
    return max([0, *floors, *(each.replicas or 0 for each in asked)])


def acted_on(snapshot: Snapshot, group: WorkerGroupSpec) -> Sizing | None:
    """The size last acted on: by this process, else as recorded in the status."""
    if group.group_name in snapshot.scaling.acted_on:
        return snapshot.scaling.acted_on[group.group_name]
    return recorded_sizing(snapshot.recorded, group)


def recorded_sizing(recorded: RayClusterStatus, group: WorkerGroupSpec) -> Sizing | None:
    """The size last acted on according to the status; None if it has none for this group."""
    known = recorded.group(group.group_name)
    if known.desired is None or known.observed_replicas is None:
        return None
    return Sizing(known.desired // group.num_of_hosts, known.observed_replicas)


def _workers(snapshot: Snapshot, spec: RayClusterSpec, gone: Gone) -> Iterator[Worker]:
    groups = {group.group_name: group for group in spec.worker_group_specs}
    requested = {n for group in spec.worker_group_specs for n in group.scale_strategy.workers_to_delete}
    ray, leaving = snapshot.scaling.ray, gone.parted | broken_replicas(snapshot, spec)
    reported = reported_by(ray, gone.causes)
    coming = Coming(ray.session_since if not ray.trouble else None, snapshot.now)
    for pod in snapshot.pods:
        state = state_of(pod, reported)
        if state.lives and pod.node_type == NodeType.WORKER and pod.group in groups:
            replica = "" if pod.host is None else pod.host.replica
            yield Worker(
                pod.name,
                pod.group,
                pod.created,
                replica,
                None if pod.name in reported.joined else coming.blocked(pod, groups[pod.group]),
                draining=state.counts is Counts.LEAVING or replica in leaving,
                pending=pod.phase == "Pending",
                requested=pod.name in requested,
            )


def policy_of(snapshot: Snapshot, spec: RayClusterSpec) -> AutoscalingPolicy:
    """How the cluster may be scaled: its own options, and the limits that apply to it."""
    scaling, options = snapshot.scaling, spec.autoscaler_options
    rooms = rooms_of(snapshot)
    return AutoscalingPolicy(
        upscaling_mode=options.upscaling_mode,
        behavior=options.behavior,
        ceilings=tuple(GpuHeadroom(room.words, room.gpus) for room in rooms if room.scope not in A_MINUTE),
        new_gpus=min(
            (GpuHeadroom(room.words, room.gpus) for room in rooms if room.scope in A_MINUTE),
            key=lambda room: room.gpus_left,
            default=None,
        ),
        blocked_seconds=scaling.limits.blocked_seconds,
        open_max_pods=scaling.limits.default_max_pods,
    )
