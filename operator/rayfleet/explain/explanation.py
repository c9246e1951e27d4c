"""Why a cluster has its size, as values: from what was read to what is shown. Pure."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, scales_here
from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus, recorded
from rayfleet.autoscaling import Decision, DemandAnswer, DemandHold, GroupDecision, HoldKind, Memory
from rayfleet.autoscaling.limits import CeilingScope, NamespaceCeilings
from rayfleet.autoscaling.metrics import MetricReplicas
from rayfleet.explain.held_groups import HeldNote, held_note, holds, not_asked_for, start_fault
from rayfleet.explain.idle_clocks import IdleClock, idle_clocks
from rayfleet.explain.next_steps import Step, next_steps
from rayfleet.explain.noted import Noted, noted_demand
from rayfleet.explain.silence import silent_since
from rayfleet.explain.sources import EventNote, Sources
from rayfleet.kinds.raycluster.leaving.ray_nodes import node_trouble
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.plan.scaling import recorded_sizing
from rayfleet.kinds.raycluster.pod_words import waits_for
from rayfleet.kinds.raycluster.scaling_view import ScalingView, Sizing
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.ray.state import RayView

EVENTS_SHOWN = 8
LONG_AGO = 0.0
"""When the memory of earlier decisions begins: the operator's own windows are not known here."""
_WRONG_WHERE_FALSE: Final = frozenset(
    {ConditionType.VALID, ConditionType.SUPPORTED, ConditionType.MANAGED, ConditionType.HEAD_POD_READY}
)


class ConditionNote(NamedTuple):
    """A condition worth showing."""

    type: str
    holds: bool
    reason: str
    message: str
    since: float
    """Unix seconds."""


class GroupNote(NamedTuple):
    """One worker group; counts are of pods."""

    name: str
    wanted: int
    """From the status, or from the manifest if there is no status yet."""
    there: int | None
    """None if the pods cannot be read; so is `ready`."""
    ready: int | None
    least: int
    most: int
    idle_timeout: int
    """Seconds."""
    reason: str
    """Why this size; empty if the queue is not known."""
    held: HeldNote | None
    """Why its pods cannot be created, as the operator recorded it."""
    not_starting: str
    """What keeps pods that exist from starting; empty if nothing does."""


class UnreadyPod(NamedTuple):
    """A pod that is not ready yet."""

    name: str
    group: str
    since: float
    """Since when it has waited for that, Unix seconds."""
    container: str
    """The container that it waits for; empty if it waits for something else."""
    reason: str
    """The state of the container, or of the pod."""
    message: str
    """What the kubelet or the scheduler says about it."""

    @property
    def words(self) -> str:
        """`container ray: CrashLoopBackOff: exit code 1`."""
        return ": ".join(
            part
            for part in (f"container {self.container}" * bool(self.container), self.reason, self.message)
            if part
        )


class Explanation(Struct, frozen=True):
    """Everything that is shown about a cluster."""

    namespace: str
    name: str
    now: float
    scaled: bool
    """Whether the operator scales it by its queue."""
    trouble: str
    """Why the queue is not known, or not acted on; empty if it is."""
    seen: bool
    """Whether the head has answered."""
    conditions: tuple[ConditionNote, ...]
    groups: tuple[GroupNote, ...]
    answers: tuple[DemandAnswer, ...]
    """What serves each demand now; empty if the queue is not known."""
    noted: tuple[Noted, ...]
    """Demand that waits, as the operator recorded it."""
    faults: tuple[str, ...]
    """Inputs that the operator cannot read or use, such as a metric."""
    pending: tuple[UnreadyPod, ...]
    idle: tuple[IdleClock, ...]
    steps: tuple[Step, ...]
    silent_since: float | None
    """When the operator last acted, in Unix seconds, if that is long ago and something is due; else None."""
    events: tuple[EventNote, ...]
    missing: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether the queue is known."""
        return not self.trouble


def explanation_of(sources: Sources) -> Explanation:
    """Explain a cluster. Without its queue, the explanation is what the operator recorded."""
    cluster, spec = sources.cluster, sources.spec
    scaled = spec is not None and scales_here(spec)
    trouble = sources.queue.trouble if scaled else ""
    planned, snapshot, decision = None, _snapshot(sources), None
    status = snapshot.recorded
    if scaled and sources.queue.state is not None:
        trouble = node_trouble(sources.queue.state, sources.pods, {})
        planned = plan(snapshot, Memory(began=LONG_AGO)) if not trouble else None
        decision = planned.decision if planned is not None else None
        if planned is not None and decision is None:
            trouble = "; ".join(planned.waits) or "the operator does not decide on this cluster's size"
    noted = noted_demand(status)
    idle = idle_clocks(snapshot, spec, planned) if planned is not None and spec is not None else ()
    steps = next_steps(planned, idle)
    answers = decision.answers if decision is not None else ()
    return Explanation(
        namespace=cluster.key.namespace,
        name=cluster.key.name,
        now=sources.now,
        scaled=scaled,
        trouble=trouble,
        seen=sources.queue.state is not None,
        conditions=tuple(_conditions(status, scaled=scaled)),
        groups=tuple(_groups(sources, status, spec, decision)) if spec is not None else (),
        answers=tuple(_with_noted(answer, noted) for answer in answers),
        noted=noted,
        faults=status.autoscaler.faults,
        pending=tuple(_pending(sources.pods)),
        idle=idle,
        steps=steps,
        silent_since=silent_since(sources, status, steps, answers),
        events=sources.events[-EVENTS_SHOWN:],
        missing=sources.missing,
    )


def _snapshot(sources: Sources) -> Snapshot:
    # The usage of the namespace's other clusters is not read, so only this cluster's ceiling is known.
    known = [ceiling for ceiling in sources.ceilings.ceilings if ceiling.scope is CeilingScope.CLUSTER]
    spec = sources.spec
    heads = [pod.readiness_since for pod in sources.pods if pod.node_type == NodeType.HEAD and pod.ready]
    followed = {metric.worker_group for metric in spec.autoscaler_options.metrics} if spec is not None else ()
    status = recorded(sources.cluster.status)
    view = ScalingView(
        ray=RayView(state=sources.queue.state, taken=sources.now, session_since=max(heads, default=None)),
        # Only the operator reads metrics: nodes that they keep do not count as idle here.
        metric_replicas=tuple(MetricReplicas(group, None, known=False) for group in sorted(followed)),
        namespace_ceilings=NamespaceCeilings(tuple(known), sources.ceilings.faults),
        acted_on=dict(_acted_on(sources, status)),
    )
    return Snapshot(
        sources.cluster,
        spec,
        (),
        sources.pods,
        (),
        sources.now,
        refused=not_asked_for(sources, status),
        held=holds(sources, status),
        withheld=sources.withheld,
        scaling=view,
    )


def _acted_on(sources: Sources, status: RayClusterStatus) -> Iterator[tuple[str, Sizing]]:
    """The sizes that the operator has decided on: pods missing from them are not a new decision."""
    for group in sources.spec.worker_group_specs if sources.spec is not None else ():
        if (sizing := recorded_sizing(status, group)) is not None:
            yield group.group_name, sizing


def _conditions(status: RayClusterStatus, *, scaled: bool) -> Iterator[ConditionNote]:
    """`Autoscaling`, or `Ready` for a cluster of fixed size, and every condition that reports trouble."""
    for condition in status.conditions:
        kind, true = condition.type, condition.holds
        trouble = kind == ConditionType.REPLICA_FAILURE if true else kind in _WRONG_WHERE_FALSE
        trouble |= kind == ConditionType.READY and not true and not scaled
        if kind == ConditionType.AUTOSCALING or trouble:
            since = unix_seconds(condition.last_transition_time)
            yield ConditionNote(kind, true, condition.reason, condition.message, since)


def _groups(
    sources: Sources, status: RayClusterStatus, spec: RayClusterSpec, decision: Decision | None
) -> Iterator[GroupNote]:
    reasons = {group.name: _reason(group) for group in decision.groups} if decision is not None else {}
    timeout = spec.autoscaler_options.idle_timeout_seconds
    for group in spec.worker_group_specs:
        name, hosts = group.group_name, group.num_of_hosts
        pods = [pod for pod in sources.pods if pod.group == name and pod.active]
        desired = status.group(name).desired
        yield GroupNote(
            name=name,
            wanted=group.replicas * hosts if desired is None else desired,
            there=len(pods) if sources.pods_known else None,
            ready=sum(pod.ready for pod in pods) if sources.pods_known else None,
            least=group.min_replicas * hosts,
            most=group.max_replicas * hosts,
            idle_timeout=timeout if group.idle_timeout_seconds is None else group.idle_timeout_seconds,
            reason=reasons.get(name, ""),
            held=held_note(status, name),
            not_starting=start_fault(pods, group, sources.now),
        )


def _reason(group: GroupDecision) -> str:
    blocked = group.blocked.removeprefix(f"{group.name}: ")
    return f"{group.reason}; its pods do not start: {blocked}" if blocked else group.reason


def _pending(pods: tuple[Pod, ...]) -> Iterator[UnreadyPod]:
    for pod in pods:
        if pod.active and not pod.ready:
            since = pod.readiness_since or pod.created
            yield UnreadyPod(pod.name, pod.group, since, pod.readiness.container, *waits_for(pod))


def _with_noted(answer: DemandAnswer, noted: tuple[Noted, ...]) -> DemandAnswer:
    """Add what the operator recorded: it knows limits and windows that cannot be seen from here."""
    if answer.holds:
        return answer
    kinds = {str(kind): kind for kind in HoldKind}
    holds = tuple(
        DemandHold(kinds.get(note.reason, HoldKind.WITHHELD), note.message)
        for note in noted
        if note.is_about(answer)
    )
    return replace(answer, holds=holds)
