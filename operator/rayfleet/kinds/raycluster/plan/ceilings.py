"""GPU ceilings, as a filter on the pods that will be created, whatever asked for them.

A queue, first sizes, `replicas`, `minReplicas`, added groups and heads all end in creates of pods, so
ceilings apply there. Whatever is held back is named. Accelerators of every kind count like GPUs.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from math import inf
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from rayfleet.api.accelerators import accelerators_of_pod, whole_accelerators
from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.api.raycluster import HeadGroupSpec, RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling import HoldKind
from rayfleet.autoscaling.limits import NOT_READ, Ceiling, CeilingScope, ceilings_from_settings
from rayfleet.autoscaling.words import counted
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.kinds.raycluster.actions import Action, AdvanceHeadEpoch, CreatePod, Plan
from rayfleet.kinds.raycluster.manifests import head_resources, may_have_accelerators, worker_resources
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.ray.state import Resources

G = TypeVar("G", HeadGroupSpec, WorkerGroupSpec)

CEILING_SECONDS: Final = 10.0
"""Between checks whether a ceiling still holds: no event says that another cluster has freed GPUs."""
COUNTING_SECONDS: Final = 1.0
"""Between checks whether all clusters are counted, after a start."""
A_MINUTE: Final = frozenset({CeilingScope.NAMESPACE_PER_MINUTE, CeilingScope.TOTAL_PER_MINUTE})

IN_TOTAL: Final = frozenset({CeilingScope.TOTAL, CeilingScope.TOTAL_PER_MINUTE})
_OF_CEILINGS: Final = frozenset({HoldKind.CEILING, HoldKind.RATE})


class Room(NamedTuple):
    """What one ceiling leaves for a cluster."""

    scope: CeilingScope
    gpus: int
    """GPUs that may be created now."""
    words: str


def gpus_of_groups(spec: RayClusterSpec) -> dict[str, int]:
    """GPUs of one pod of each group, including the head; part of a GPU counts as one.

    The larger of what Kubernetes assigns to the pod and what Ray is configured with.
    """
    head = spec.head_group_spec
    workers = {group.group_name: _gpus(group, worker_resources) for group in spec.worker_group_specs}
    return {HEAD_GROUP: _gpus(head, head_resources), **workers}


def _gpus(group: G, resources_of: Callable[[G], Resources]) -> int:
    if not may_have_accelerators(group):
        return 0
    return max(whole_accelerators(resources_of(group)), accelerators_of_pod(_pod(group.template)))


def gpus_of_each(snapshot: Snapshot) -> Mapping[str, int]:
    """The same for the spec acted on, computed at most once."""
    if snapshot.spec is None:
        return {}
    return snapshot.once("gpus", snapshot.spec, None, partial(gpus_of_groups, snapshot.spec))


def _pod(template: Mapping[str, object]) -> Mapping[str, object]:
    spec = template.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def gpus_there(snapshot: Snapshot, each: Mapping[str, int]) -> int:
    """GPUs of the existing pods; a pod of a group in the current spec has at least `each`.

    A pod that is being deleted holds them until it is gone.
    """
    return sum([max(pod.gpus, each.get(pod.group, 0)) for pod in snapshot.pods if pod.holds_devices])


def ceilings_of(snapshot: Snapshot) -> tuple[Ceiling, ...]:
    """All ceilings that apply to this cluster."""
    scaling = snapshot.scaling
    return (*ceilings_from_settings(scaling.limits.ceilings), *scaling.namespace_ceilings.ceilings)


def rooms_of(snapshot: Snapshot) -> tuple[Room, ...]:
    """What each ceiling leaves for this cluster, beyond its existing pods."""
    set_by = ceilings_of(snapshot)
    if not set_by:
        return ()
    usage, own = snapshot.scaling.usage, gpus_there(snapshot, gpus_of_each(snapshot))
    # Replacements of pods that were counted are not new.
    replaced = max(0, usage.own - own)
    left = {
        CeilingScope.CLUSTER: -own,
        CeilingScope.NAMESPACE: -own - usage.namespace,
        CeilingScope.TOTAL: -own - usage.total,
        CeilingScope.NAMESPACE_PER_MINUTE: replaced - usage.new_in_namespace,
        CeilingScope.TOTAL_PER_MINUTE: replaced - usage.new_in_total,
    }
    return tuple(
        Room(ceiling.scope, 0, f"{ceiling}; not all clusters are counted yet")
        if not _is_counted(usage, ceiling.scope)
        else Room(ceiling.scope, max(0, ceiling.limit + left[ceiling.scope]), str(ceiling))
        for ceiling in set_by
    )


def _is_counted(usage: GpuUsage, scope: CeilingScope) -> bool:
    """Whether all clusters that share a ceiling are counted."""
    if scope is CeilingScope.CLUSTER:
        return True
    return usage.complete if scope in IN_TOTAL else usage.complete_in_namespace


def within_ceilings(snapshot: Snapshot, plan: Plan) -> Plan:
    """`plan` without the creates that would exceed a ceiling, and with messages about these.

    If it was filtered before, the messages cover everything held back, by the tightest ceiling now.
    """
    spec = snapshot.spec
    pods = _creates(plan)
    if spec is None or not pods or not ceilings_of(snapshot):
        return plan
    each = gpus_of_each(snapshot)
    if not any(each[pod.group] for pod in pods):
        return plan
    tightest = min(rooms_of(snapshot), key=lambda room: (room.gpus, room.words))
    kept, held = _fit(spec, pods, each, tightest.gpus)
    if not held:
        return plan
    counts = Counter(dict(plan.held))
    counts.update(pod.group for pod in held)
    words = tuple(_words(counts, each, tightest))
    return replace(
        plan,
        stages=_stages(plan, kept),
        waits=(*(wait for wait in plan.waits if wait not in plan.held_words), *words),
        held=tuple(counts.items()),
        held_gpus=sum(each[group] * count for group, count in counts.items()),
        held_words=words,
        requeue_after=min(_again_in(snapshot, tightest), inf if (due := plan.requeue_after) is None else due),
    )


def scopes_that_hold(snapshot: Snapshot, plan: Plan) -> frozenset[CeilingScope]:
    """The scopes of the ceilings that hold something back, by the plan's own messages."""
    messages = set(plan.held_words)
    if plan.decision is not None and not _OF_CEILINGS.isdisjoint(plan.decision.waiting.kinds):
        shared = {id(answer.holds): answer.holds for answer in plan.decision.answers}
        each = (*shared.values(), *(group.holds for group in plan.decision.groups))
        messages |= {hold.message for holds in each for hold in holds if hold.kind in _OF_CEILINGS}
    if not messages:
        return frozenset()
    known = [ceiling for ceiling in ceilings_of(snapshot) if ceiling.source != NOT_READ]
    return frozenset(c.scope for c in known if any(str(c) in message for message in messages))


def gpus_of_creates(plan: Plan, each: Mapping[str, int]) -> int:
    """GPUs of the pods that a plan creates."""
    return sum(each.get(pod.group, 0) for pod in _creates(plan))


def _creates(plan: Plan) -> list[CreatePod]:
    return [action for stage in plan.stages for action in stage if isinstance(action, CreatePod)]


def _fit(
    spec: RayClusterSpec, pods: Sequence[CreatePod], each: Mapping[str, int], room: int
) -> tuple[set[int], list[CreatePod]]:
    """The ids of the creates that fit, and the creates that do not: the head first, then groups by priority.

    A multi-host replica is kept or held back whole. Without its head a cluster gets no workers.
    """
    order = {group.group_name: -group.priority for group in spec.worker_group_specs}
    units = [list(unit) for _, unit in groupby(pods, key=lambda pod: (pod.group, pod.replica or pod.name))]
    units.sort(key=lambda unit: (unit[0].node_type != NodeType.HEAD, order.get(unit[0].group, 0)))
    kept, held, no_head = set[int](), list[CreatePod](), False
    for unit in units:
        cost = sum(each[pod.group] for pod in unit)
        if no_head or cost > max(room, 0):
            held += unit
            no_head |= unit[0].node_type == NodeType.HEAD
        else:
            kept |= {id(pod) for pod in unit}
            room -= cost
    return kept, held


def _stages(plan: Plan, kept: set[int]) -> tuple[tuple[Action, ...], ...]:
    """The stages without held creates, and without an epoch's rise for a head that is held back."""
    heads = [pod for pod in _creates(plan) if pod.node_type == NodeType.HEAD]
    no_head = any(id(pod) not in kept for pod in heads)
    stages = (
        tuple(
            action
            for action in stage
            if id(action) in kept
            or not (isinstance(action, CreatePod) or (no_head and isinstance(action, AdvanceHeadEpoch)))
        )
        for stage in plan.stages
    )
    return tuple(stage for stage in stages if stage)


def _words(held: Mapping[str, int], each: Mapping[str, int], room: Room) -> Iterator[str]:
    for group, count in held.items():
        what = "the head" if group == HEAD_GROUP else f"{counted(count, 'pod')} of {group}"
        verb = "wait" if count != 1 else "waits"
        gpus = count * each[group]
        need = counted(gpus, "GPU") if gpus else "the head"
        yield f"{what} {verb} for {need}: {room.words}"


def _again_in(snapshot: Snapshot, room: Room) -> float:
    usage = snapshot.scaling.usage
    if not _is_counted(usage, room.scope):
        return COUNTING_SECONDS
    if room.scope in A_MINUTE and usage.renewed_in is not None:
        return usage.renewed_in
    return CEILING_SECONDS
