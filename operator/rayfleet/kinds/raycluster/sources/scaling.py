"""Everything beyond its own objects that a cluster's size depends on, and where decisions are reported."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

from rayfleet.api.raycluster import RayClusterSpec, scales_here
from rayfleet.autoscaling import Decision
from rayfleet.autoscaling.limits import ScalingLimits, ceilings_from_settings, unknown_ceilings
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import Policy, policy
from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.fleet.namespace_ceilings import NamespaceCeilingsReader
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import CreatePod, Plan
from rayfleet.kinds.raycluster.plan.ceilings import (
    ceilings_of,
    gpus_of_creates,
    gpus_of_each,
    gpus_there,
    within_ceilings,
)
from rayfleet.kinds.raycluster.plan.ray_report import ray_report
from rayfleet.kinds.raycluster.scaling_view import ScalingView, Sizing
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.heads import RayHeads
from rayfleet.kinds.raycluster.sources.sampler import MetricSampler
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod

UNTOLD_SECONDS = 30.0
"""Between attempts to report to a Ray that does not answer, while nothing else happens."""
_NOT_READ = unknown_ceilings("not read yet")


class ScalingSources(Struct, frozen=True):
    """Heads, metrics and ceilings: reads what is known about them, and passes decisions on to them."""

    heads: RayHeads
    sampler: MetricSampler
    ceilings: NamespaceCeilingsReader
    ledger: GpuLedger
    limits: ScalingLimits
    accounts: ClusterAccounts = field(default_factory=ClusterAccounts)
    """For metrics."""
    _nothing_read: ScalingView = field(default_factory=ScalingView)
    """The view while a namespace's ceilings have not mattered yet, as in most namespaces."""

    def __post_init__(self) -> None:
        unread = ScalingView(limits=self.limits, namespace_ceilings=_NOT_READ)
        force_setattr(self, "_nothing_read", unread)

    def learn(self, key: Key, memory: ClusterMemory, pods: Sequence[Pod], now: float) -> None:
        """Record the head's last answer."""
        memory.ray.learn(self.heads.observation(key), pods, now)

    def view(
        self, key: Key, spec: RayClusterSpec, memory: ClusterMemory, pods: Sequence[Pod], now: float
    ) -> ScalingView:
        """The current view."""
        ray = memory.ray.view(self.heads.observation(key), pods, now)
        if trouble := self.heads.trouble(key):
            ray = replace(ray, trouble=trouble)
        ceilings = memory.namespace_ceilings or _NOT_READ
        shared = bool(ceilings.ceilings or ceilings_from_settings(self.limits.ceilings))
        return ScalingView(
            ray=ray,
            acted_on=dict(memory.acted_on),
            metric_replicas=self.sampler.metric_replicas(key) if spec.autoscaler_options.metrics else (),
            limits=self.limits,
            namespace_ceilings=ceilings,
            usage=self.ledger.usage(key) if shared else GpuUsage(),
            memory=memory.scaling,
        )

    def ceilings_view(self, memory: ClusterMemory) -> ScalingView:
        """The view for a cluster of fixed size; others' usage is looked up when it is about to get GPUs."""
        if memory.namespace_ceilings is None:
            return self._nothing_read
        return ScalingView(limits=self.limits, namespace_ceilings=memory.namespace_ceilings)

    def admit(self, snapshot: Snapshot, decided: Plan) -> Plan:
        """Reduce a plan to what the ceilings leave room for now, and take that room.

        Plans are made in several threads; this runs on the event loop without interruption.
        """
        key, spec = snapshot.cluster.key, snapshot.spec
        self.accounts.admitted(snapshot)
        each = gpus_of_each(snapshot)
        if spec is not None and ceilings_of(snapshot) and gpus_of_creates(decided, each):
            usage = self.ledger.usage(key)
            now = replace(snapshot, scaling=replace(snapshot.scaling, usage=usage))
            decided = within_ceilings(now, decided)
        self.ledger.note(key, gpus_there(snapshot, each), gpus_of_creates(decided, each))
        return decided

    def needs_ceilings(self, snapshot: Snapshot, decided: Plan) -> bool:
        """Whether the ceilings of the namespace matter now, because the cluster is about to get GPUs."""
        return bool(decided.held_gpus or gpus_of_creates(decided, gpus_of_each(snapshot)))

    async def read_ceilings(self, key: Key, memory: ClusterMemory) -> bool:
        """Read the ceilings of a namespace; return whether they changed."""
        before, memory.namespace_ceilings = memory.namespace_ceilings, await self.ceilings.read(key.namespace)
        return before != memory.namespace_ceilings

    def not_created(self, snapshot: Snapshot, outcomes: Sequence[Outcome]) -> None:
        """Return the room of pods that were certainly not created."""
        each = gpus_of_each(snapshot)
        gpus = sum(
            each.get(outcome.action.group, 0)
            for outcome in outcomes
            if isinstance(outcome.action, CreatePod) and _is_certainly_undone(outcome)
        )
        if gpus:
            self.ledger.give_back(snapshot.cluster.key, gpus)

    def remember(self, snapshot: Snapshot, decided: Plan, memory: ClusterMemory) -> None:
        """Remember what was decided, for the next decision."""
        self.accounts.decided(snapshot, decided)
        if snapshot.spec is not None and decided.decision is not None:
            memory.scaling = decided.decision.memory
            memory.ray.acted_on(snapshot.scaling.ray, snapshot.now)
            memory.acted_on = {
                group.group_name: Sizing(decided.replicas(group), group.replicas)
                for group in snapshot.spec.worker_group_specs
            }

    async def follow(self, snapshot: Snapshot, decided: Plan, memory: ClusterMemory) -> float | None:
        """Pass a decision on; return the seconds until there is more to do without any event.

        0 if the decision has already become outdated.
        """
        key, spec, decision = snapshot.cluster.key, snapshot.spec, decided.decision
        if spec is None or decision is None or not scales_here(spec):
            self._unfollow(key)
            return None
        self.sampler.follow(key, spec.autoscaler_options.metrics)
        again_in = await self.heads.follow(snapshot, spec, active=decision.active)
        waits = [] if again_in is None else [again_in]
        if not await self._tell_ray(snapshot, spec, decision, dict(decided.held), memory):
            waits.append(UNTOLD_SECONDS)
        if await self.read_ceilings(key, memory):
            waits.append(0.0)
        return min(waits, default=None)

    async def _tell_ray(
        self,
        snapshot: Snapshot,
        spec: RayClusterSpec,
        decision: Decision,
        held: Mapping[str, int],
        memory: ClusterMemory,
    ) -> bool:
        """Report to Ray; return whether it knows the report, or need not."""
        ray = snapshot.scaling.ray
        if ray.state is None or not decision.known:
            return True
        report = ray_report(snapshot, spec, decision, held)
        content = (
            ray.state.session,
            tuple((launch.group, launch.count) for launch in report.launches),
            tuple((failure.group, failure.reason) for failure in report.failures),
            report.pods,
            report.infeasible,
        )
        # Not the content itself: it may hold megabytes of what the head asks for.
        news = hash(content)
        if memory.reported != news:

            def accepted() -> None:
                memory.reported = news

            await self.heads.report(snapshot.cluster.key, report, accepted)
        return memory.reported == news

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._unfollow(key)
        self.ledger.forget(key)
        self.accounts.forget(key)

    def forget_all(self) -> None:
        """Another operator leads."""
        self.sampler.forget_all()
        self.heads.forget_all()
        self.ledger.forget_all()
        self.accounts.forget_all()

    def _unfollow(self, key: Key) -> None:
        self.heads.forget(key)
        self.sampler.forget(key)


def _is_certainly_undone(outcome: Outcome) -> bool:
    """Whether an action has changed nothing; without an answer that is unknown."""
    if isinstance(outcome, Failed):
        return policy(outcome.failure) in {Policy.DENIED, Policy.INVALID}
    return not isinstance(outcome, Succeeded)
