"""The workers of one group: as many active pods as wanted, each of those that ended replaced."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Any

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling.words import counted
from rayfleet.kinds.raycluster.actions import Cause, CreatePod, desired_replicas
from rayfleet.kinds.raycluster.healing.lifetime import sort_ended
from rayfleet.kinds.raycluster.leaving.leave import Leave, ended, pod_leaves
from rayfleet.kinds.raycluster.leaving.scale_down import victims
from rayfleet.kinds.raycluster.leaving.states import GOING, SETTLING, state_of
from rayfleet.kinds.raycluster.manifests import PodFactory, worker_pods
from rayfleet.kinds.raycluster.plan.limits import MOST_CREATES
from rayfleet.kinds.raycluster.snapshot import Snapshot, recorded_number
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root


@dataclass(frozen=True, slots=True)
class WorkersPlan:
    """What to do about one group."""

    creates: tuple[CreatePod, ...] = ()
    leaves: tuple[Leave, ...] = ()
    wait: str | None = None
    requeue_after: float | None = None


@dataclass(frozen=True, slots=True)
class Scaled:
    """What the queue has decided about one group, in replicas."""

    wanted: int
    launches: int
    """Replicas to be started now."""
    growth: str
    """How many of them are more than before, and what for; empty where none are."""
    deletes: Mapping[str, tuple[Cause, str]]
    """Pods that are to go, by name, and why. All others stay: they are busy, or may be needed."""


def plan_workers(
    snapshot: Snapshot,
    spec: RayClusterSpec,
    group: WorkerGroupSpec,
    pods: Sequence[Pod],
    scaled: Scaled | None = None,
) -> WorkersPlan:
    """Bring `group`, whose pods (in any state) are `pods`, to its size."""
    highest = max([recorded_index(snapshot.cluster, group.group_name), *(pod.index for pod in pods)])
    requested = set(group.scale_strategy.workers_to_delete)
    settling, named, active = list[Pod](), list[Pod](), list[Pod]()
    for pod in pods:
        state = state_of(pod)
        if state is SETTLING:
            settling.append(pod)
        elif state is not GOING:
            (named if pod.name in requested else active).append(pod)
    sorted_out = sort_ended(snapshot, group.group_name, settling, lambda p: (p,), "pod")
    leaves = [ended(pod) for pod in sorted_out.due]
    leaves += [pod_leaves(pod, Cause.REQUESTED, "named in workersToDelete") for pod in named]
    if scaled is None:
        desired = desired_replicas(group)
        surplus = victims(active, len(active) - desired)
        words = f"{counted(len(active), 'pod')}, {desired} wanted"
        leaves += [pod_leaves(pod, Cause.SURPLUS, words) for pod in surplus]
        missing = desired - len(active) - len(sorted_out.left)
    else:
        going = [pod for pod in active if pod.name in scaled.deletes]
        leaves += [pod_leaves(pod, *scaled.deletes[pod.name]) for pod in going]
        missing = scaled.launches - len(sorted_out.left)
    wait, later = sorted_out.words or None, sorted_out.later
    creates: tuple[CreatePod, ...] = ()
    hold = snapshot.held.get(group.group_name)
    if missing > 0 and hold is not None and hold.until > snapshot.now:
        held_for = hold.until - snapshot.now
        wait, later = hold.words, held_for if later is None else min(later, held_for)
    elif missing > 0:
        words = f"{counted(missing, 'pod')} fewer than wanted"
        if scaled is not None and scaled.growth and scaled.wanted > _wanted_before(snapshot, group):
            words = scaled.growth
        taken = {pod.place for pod in pods}
        creates, wait = _creates(snapshot, spec, group, (missing, words), (highest, taken))
    return WorkersPlan(creates, tuple(leaves), wait, later)


def _wanted_before(snapshot: Snapshot, group: WorkerGroupSpec) -> int:
    """What was last acted on: where no more is wanted now, a pod is made in place of another."""
    sizing = snapshot.scaling.acted_on.get(group.group_name)
    return sizing.wanted if sizing is not None else 0


def _creates(
    snapshot: Snapshot,
    spec: RayClusterSpec,
    group: WorkerGroupSpec,
    wanting: tuple[int, str],
    there: tuple[int, AbstractSet[int | None]],
) -> tuple[tuple[CreatePod, ...], str | None]:
    factory = _factory(snapshot, spec, group)
    if factory.template_hash in snapshot.refused:
        return (), snapshot.refused[factory.template_hash]
    (missing, reason), (highest, taken) = wanting, there
    # One more than a pass may create, so that the rest is known to be left; never a million bodies.
    most = min(missing, MOST_CREATES + 1)
    places = islice((place for place in count() if place not in taken), most)
    return tuple(
        _create(group, factory.named(highest + step, place), factory.template_hash, reason)
        for step, place in enumerate(places, start=1)
    ), None


def _factory(snapshot: Snapshot, spec: RayClusterSpec, group: WorkerGroupSpec) -> PodFactory:
    """The pods of `group`; of the last group that was asked for they are built already."""
    made_for = (snapshot.cluster.uid, group.group_name, snapshot.pod_settings)
    build = partial(worker_pods, snapshot.cluster, spec, group, snapshot.pod_settings)
    return snapshot.once("workers", spec, made_for, build)


def _create(group: WorkerGroupSpec, body: Mapping[str, Any], template_hash: str, reason: str) -> CreatePod:
    name = body["metadata"]["name"]
    return CreatePod(NodeType.WORKER, group.group_name, name, template_hash, body, reason)


def removed_groups(spec: RayClusterSpec, workers: Sequence[Pod]) -> tuple[Leave, ...]:
    """The pods of groups that are no longer in the spec."""
    groups = {group.group_name for group in spec.worker_group_specs}
    return tuple(
        pod_leaves(pod, Cause.GROUP_REMOVED, f"group {pod.group} is no longer in the spec")
        for pod in workers
        if pod.group not in groups
    )


def recorded_group(cluster: Root, group: str) -> Mapping[str, Any]:
    """What the status has about a worker group; empty where it has nothing."""
    recorded = cluster.status.get("workerGroups")
    for entry in recorded if isinstance(recorded, list) else ():
        if isinstance(entry, dict) and entry.get("groupName") == group:
            return entry
    return {}


def recorded_index(cluster: Root, group: str) -> int:
    """The highest n that a worker of `group` was named with, as the status has it; 0 when it has none."""
    return recorded_number(recorded_group(cluster, group).get("lastIndex"))
