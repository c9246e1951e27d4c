"""What metrics show about clusters and nothing else needs, kept from one pass or scrape to the next."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import WorkerGroupSpec
from rayfleet.autoscaling import Decision, HoldKind, SizeReason
from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.fleet.gpu_seconds import NOTHING, GpuSeconds, GpuUse, gpu_use
from rayfleet.fleet.scaling import DOWN, NO_KINDS, NO_SCOPES, UP, FleetScaling
from rayfleet.fleet.startups import NOTHING_CREATED, Creation, Startups
from rayfleet.kinds.raycluster.actions import CreatePod, Plan, desired_replicas
from rayfleet.kinds.raycluster.plan.ceilings import scopes_that_hold
from rayfleet.kinds.raycluster.plan.scaling import acted_on
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.polling import Observation
from rayfleet.ray.state import RayState


class ClusterAccounts:
    """The accounts of all clusters. Losing them in a restart costs what they have counted so far.

    Only the leader keeps any. When another leads, a pass or a scrape may be under way and still report here.
    """

    def __init__(
        self,
        observation: Callable[[Key], Observation | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        leading: Callable[[], bool] = lambda: True,
    ) -> None:
        self._observation = observation
        self._clock = clock
        self._leading = leading
        self._gpu_seconds = GpuSeconds(clock)
        self.scaling = FleetScaling()
        self.startups = Startups()

    def state(self, key: Key, uid: str) -> RayState | None:
        """Ray's state in a cluster; None if it is not known now."""
        seen = self._observation(key)
        return seen.state_at(self._clock()) if seen is not None and seen.uid == uid else None

    def gpu_seconds(self, key: Key, uid: str, pods: Iterable[Pod], state: RayState | None) -> GpuUse:
        """Record what a cluster's GPUs do from now on; return its GPU-seconds so far."""
        if not self._leading():
            return NOTHING
        return self._gpu_seconds.account(key, uid, gpu_use(pods, state))

    def admitted(self, snapshot: Snapshot) -> None:
        """A pass has looked at a cluster."""
        key, uid = snapshot.cluster.key, snapshot.cluster.uid
        self.gpu_seconds(key, uid, snapshot.pods, self.state(key, uid))

    def decided(self, snapshot: Snapshot, plan: Plan) -> None:
        """A pass has carried out its plan, and nobody has recorded the sizes in it yet."""
        if not self._leading():
            return
        decision, kinds = plan.decision, set[HoldKind]()
        if plan.held:
            kinds.add(HoldKind.CEILING)
        if snapshot.held:
            kinds.add(HoldKind.BLOCKED)
        if decision is not None:
            kinds |= decision.waiting.kinds
            for direction, reason in _changes(snapshot, decision):
                self.scaling.decisions[direction, reason] += 1
        self.scaling.note(
            snapshot.cluster.key,
            snapshot.cluster.uid,
            decision.waiting if decision is not None and decision.known else None,
            frozenset(kinds) if kinds else NO_KINDS,
            scopes_that_hold(snapshot, plan) if kinds else NO_SCOPES,
        )

    def settled(self, snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome], now: float) -> None:
        """A pass has tried its actions: record the workers that it created, and those that have arrived."""
        if not self._leading():
            return
        key, uid = snapshot.cluster.key, snapshot.cluster.uid
        if self.startups.is_waiting(key):
            self.startups.joined(key, uid, snapshot.pods, _arrived(snapshot, plan))
        self.startups.passed(key, uid, _creation(snapshot, plan, outcomes), now)

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._gpu_seconds.forget(key)
        self.scaling.forget(key)
        self.startups.forget(key)

    def forget_all(self) -> None:
        """Another operator leads, or a term begins."""
        self._gpu_seconds.forget_all()
        self.scaling.forget_all()
        self.startups.forget_all()


def _changes(snapshot: Snapshot, decision: Decision) -> Iterator[tuple[str, SizeReason]]:
    """Direction and reason of each group whose size is another than the last one acted on."""
    sizes = {group.name: group for group in decision.groups}
    for group in snapshot.spec.worker_group_specs if snapshot.spec is not None else ():
        size, before = sizes[group.group_name], acted_on(snapshot, group)
        was = before.wanted if before is not None else _first_size(snapshot, group)
        if size.wanted != was:
            yield (UP, size.why_up) if size.wanted > was else (DOWN, size.why_down)


def _first_size(snapshot: Snapshot, group: WorkerGroupSpec) -> int:
    """The size from which the first decision starts."""
    pods = sum(pod.active and pod.group == group.group_name for pod in snapshot.pods)
    return max(pods // group.num_of_hosts, desired_replicas(group))


def _creation(snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome]) -> Creation:
    """What a pass did about missing workers. What it could not create for now is still wanted."""
    planned = {action.group for stage in plan.stages for action in stage if isinstance(action, CreatePod)}
    planned |= snapshot.held.keys() | dict(plan.held).keys()
    if snapshot.spec is None or not planned:
        return NOTHING_CREATED
    made = [
        (outcome.action.group, outcome.action.name)
        for outcome in outcomes
        if isinstance(outcome, Succeeded)
        and isinstance(outcome.action, CreatePod)
        and outcome.action.node_type == NodeType.WORKER
    ]
    there = Counter([pod.group for pod in snapshot.pods if pod.active])
    there.update([group for group, _ in made])
    groups = [group for group in snapshot.spec.worker_group_specs if group.group_name in planned]
    return Creation(
        {group.group_name: _wanted_since(snapshot, plan, group.group_name) for group in groups},
        made,
        {group.group_name for group in groups if there[group.group_name] < plan.pods(group)},
    )


def _wanted_since(snapshot: Snapshot, plan: Plan, group: str) -> float:
    """When it was seen that a group should have more pods: with the head's answer, if work waits."""
    decision, taken = plan.decision, snapshot.scaling.ray.taken
    if decision is None or not decision.known or decision.group(group).why_up is not SizeReason.DEMAND:
        return snapshot.now
    return min(taken, snapshot.now) if taken else snapshot.now


def _arrived(snapshot: Snapshot, plan: Plan) -> Mapping[str, float]:
    """When each worker was found in Ray; in a cluster whose Ray is not asked, when it became ready."""
    ray = snapshot.scaling.ray
    if plan.decision is None:
        return {pod.name: pod.readiness_since or snapshot.now for pod in snapshot.pods if pod.ready}
    if ray.state is None or not plan.decision.known:
        return {}
    return dict.fromkeys(ray.state.joined, ray.taken)
