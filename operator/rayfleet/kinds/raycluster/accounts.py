"""What metrics show about clusters and nothing else needs, kept from one pass or scrape to the next."""

import time
from collections.abc import Callable, Iterable, Iterator

from rayfleet.api.raycluster import WorkerGroupSpec
from rayfleet.autoscaling import Decision, HoldKind, SizeReason
from rayfleet.fleet.gpu_seconds import NOTHING, GpuSeconds, GpuUse, gpu_use
from rayfleet.fleet.scaling import DOWN, UP, FleetScaling
from rayfleet.kinds.raycluster.actions import Plan, desired_replicas
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
            frozenset(kinds),
            scopes_that_hold(snapshot, plan),
        )

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._gpu_seconds.forget(key)
        self.scaling.forget(key)

    def forget_all(self) -> None:
        """Another operator leads, or a term begins."""
        self._gpu_seconds.forget_all()
        self.scaling.forget_all()


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
