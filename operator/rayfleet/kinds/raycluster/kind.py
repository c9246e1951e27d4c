"""RayCluster as a kind of the engine."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP
from rayfleet.engine.event import Event
from rayfleet.engine.kind import PROGRESS_SECONDS, Kind, Look
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import Policy, policy
from rayfleet.kinds.raycluster.actions import CreatePod, CreateSecret, DrainNode, Plan
from rayfleet.kinds.raycluster.children import CHILDREN, RAYCLUSTERS
from rayfleet.kinds.raycluster.guards import Guards
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.ownership import Ownership, ownership
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.plan.scaling import is_long
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.auth_secret import create_auth_secret
from rayfleet.kinds.raycluster.sources.ray_memory import KEEP_SECONDS
from rayfleet.kinds.raycluster.status import compute_status, events_of, is_urgent, unheard
from rayfleet.kinds.raycluster.validity import template_hashes
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.roots import Root

STEP_SECONDS: Final = 2.0
"""Least time between passes over a cluster whose pods are starting, until the last one is ready."""
SHORTEST_WAIT: Final = 0.05
"""Seconds between two passes over a cluster with a held group."""


def decided(snapshot: Snapshot) -> Plan:
    """What to do next for a cluster, and why."""
    return plan(snapshot, snapshot.scaling.memory)


def raycluster(
    client: KubeClient,
    view: View,
    other_operator: Callable[[str], str | None],
    decide: Callable[[Snapshot], Plan],
) -> Kind[ClusterMemory, Snapshot, Plan]:
    """The kind; `decide` is its planner: `decided`, unless a test passes another one."""
    scaling, cluster = view.scaling, _RayCluster(client, view, other_operator)
    return Kind(
        resource=RAYCLUSTERS,
        children=CHILDREN,
        new_memory=lambda _: ClusterMemory(),
        learn=view.learn,
        observe=cluster.observe,
        plan=decide,
        status=compute_status,
        is_long=is_long,
        admit=scaling.admit,
        guards=Guards(client, scaling).all(),
        handlers={CreateSecret: cluster.create_secret, DrainNode: cluster.drain},
        settle=cluster.settle,
        conclude=cluster.conclude,
        follow=scaling.follow,
        has_followed=_has_followed,
        waits=_waits,
        shortest_wait=lambda memory: SHORTEST_WAIT if memory.held else 0.0,
        is_patient=_is_patient,
        is_same=_is_same,
        refreshed=_refreshed,
        events=_events,
        is_ours=cluster.is_ours,
        is_urgent=is_urgent,
        unheard=unheard,
        forget=scaling.forget,
        begin=scaling.ledger.begin,
        fail=scaling.ledger.fail,
        planned=scaling.heads.took,
        changed=scaling.heads.poke,
        pace=cluster.pace,
        lead=scaling.accounts.forget_all,
        stand_by=scaling.forget_all,
    )


class _RayCluster(Struct, frozen=True):
    """State shared by the functions of the kind."""

    client: KubeClient
    view: View
    other_operator: Callable[[str], str | None]

    def observe(self, cluster: Root, memory: ClusterMemory, moment: Look) -> Snapshot:
        return self.view.snapshot(cluster, memory, self.other_operator(cluster.key.namespace), moment.now)

    def is_ours(self, cluster: Root) -> bool:
        return ownership(cluster, self.other_operator(cluster.key.namespace)) is Ownership.OURS

    def pace(self, key: Key, counts_wait: float) -> float:
        """While pods are still starting, only counts change, unless the cluster scales with its queue."""
        if not any(pod.active and not pod.ready for pod in self.view.pods.owned_by(key)):
            return PROGRESS_SECONDS
        return STEP_SECONDS if self.view.may_scale(key) else max(STEP_SECONDS, counts_wait)

    async def create_secret(self, cluster: Root, action: CreateSecret) -> Outcome:
        return await create_auth_secret(self.client, cluster, action)

    async def drain(self, cluster: Root, action: DrainNode) -> Outcome:
        return await self.view.scaling.heads.drain(cluster.key, action)

    def settle(
        self,
        memory: ClusterMemory,
        snapshot: Snapshot,
        decided: Plan,
        outcomes: Sequence[Outcome],
        now: float,
    ) -> Sequence[Outcome]:
        self.view.scaling.remember(snapshot, decided, memory)
        self.view.scaling.accounts.settled(snapshot, decided, outcomes, now)
        outcomes = memory.learn(outcomes, now)
        if outcomes:
            self.view.scaling.not_created(snapshot, outcomes)
            memory.endings.learn(outcomes, snapshot.pods, now)
        return outcomes

    def conclude(
        self,
        memory: ClusterMemory,
        before: Snapshot,
        after: Snapshot | None,
        decided: Plan,
        outcomes: Sequence[Outcome],
    ) -> Snapshot:
        snapshot = before if after is None else _of_the_same_spec(before, after)
        self._remember_spec(snapshot, memory, outcomes)
        memory.release(_wanting(decided), snapshot.now)
        # A hold that is over must not be reported: no later event might correct it.
        return replace(snapshot, held=memory.held)

    def _remember_spec(self, snapshot: Snapshot, memory: ClusterMemory, outcomes: Sequence[Outcome]) -> None:
        cluster, clusters = snapshot.cluster, self.view.clusters
        if clusters.generation(cluster.key) != cluster.generation:
            return
        if snapshot.violations or snapshot.spec is None:
            return
        stored = memory.last_valid = clusters.stored_spec(cluster.key)
        memory.valid_with = cluster.labels, cluster.annotations
        if memory.proven != stored:
            taken = {pod.template_hash for pod in snapshot.pods}
            hashes = template_hashes(cluster, snapshot.spec, snapshot.pod_settings, _taken(outcomes))
            if all(value in taken for _, value in hashes):
                memory.proven = stored


_APART = frozenset({"now", "scaling", "worked_out", "recorded"})
_basis = attrgetter(*(name for name in Snapshot.__struct_fields__ if name not in _APART))
"""What a plan depends on besides the time and scaling."""


def _is_same(now: Snapshot, before: Snapshot) -> bool:
    """Whether a plan would be the same except for others' GPUs, which are considered last."""
    scaling = replace(now.scaling, usage=before.scaling.usage)
    return scaling == before.scaling and _basis(now) == _basis(before)


def _of_the_same_spec(before: Snapshot, after: Snapshot) -> Snapshot:
    """The state after a pass, with the spec that the pass was about: nothing is known about a newer one."""
    if after.cluster.generation == before.cluster.generation:
        return after
    cluster = replace(after.cluster, generation=before.cluster.generation, spec=before.cluster.spec)
    return replace(
        after, cluster=cluster, spec=before.spec, violations=before.violations, withheld=before.withheld
    )


def _refreshed(snapshot: Snapshot, later: Snapshot) -> Snapshot:
    return replace(snapshot, cluster=later.cluster, pods=later.pods, services=later.services)


def _events(
    snapshot: Snapshot,
    decided: Plan | None,
    outcomes: Sequence[Outcome],
    before: JsonObject,
    after: JsonObject,
) -> Sequence[Event]:
    violations = () if decided is None or snapshot.cluster.deleting else snapshot.violations
    return events_of(outcomes, violations, before, after, decided)


def _taken(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Template hashes that the API server has just accepted, by group."""
    done = (outcome.action for outcome in outcomes if isinstance(outcome, Succeeded))
    return {action.group: action.template_hash for action in done if isinstance(action, CreatePod)}


def _has_followed(then: Snapshot, now: Snapshot, decided: Plan) -> bool:
    """Which head is polled, and what is reported to it, depends on the pods of a cluster that scales."""
    return decided.decision is None or then.pods == now.pods


def _waits(
    memory: ClusterMemory,
    snapshot: Snapshot,
    _plan: Plan,
    outcomes: Sequence[Outcome],
    moment: Look,
) -> list[float]:
    """Seconds until each change that only time brings."""
    waits = [0.0] if memory.taught else []
    if memory.stray_head is not None:
        waits.append(max(memory.stray_until - moment.monotonic, 0.0))
    if any(map(_is_drain_to_repeat, outcomes)):
        waits.append(KEEP_SECONDS)
    if (tried_in := memory.refused.tried_in(snapshot.now)) is not None:
        waits.append(tried_in)
    waits += memory.endings.looks(snapshot.now)
    return [*waits, *(hold.until - snapshot.now for hold in memory.held.values())]


def _wanting(decided: Plan) -> set[str]:
    """The groups in which the plan creates pods."""
    groups = {getattr(action, "group", HEAD_GROUP) for stage in decided.stages for action in stage}
    return {str(group) for group in groups}


def _is_drain_to_repeat(outcome: Outcome) -> bool:
    """Whether Ray has refused a drain, or could not be asked."""
    return isinstance(outcome.action, DrainNode) and not isinstance(outcome, Succeeded)


def _is_patient(failed: Failed) -> bool:
    """Whether a failed action's group is left alone for a while, or refused: there is no need to hurry."""
    patient = {Policy.DENIED, Policy.RETRY, Policy.INVALID}
    return isinstance(failed.action, CreatePod) and policy(failed.failure) in patient
