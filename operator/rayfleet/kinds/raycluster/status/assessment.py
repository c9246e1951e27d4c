"""The current state of a cluster, as conditions."""

from collections.abc import Iterator, Sequence

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import ConditionType
from rayfleet.api.violation import Violation
from rayfleet.engine.conditions import LONGEST_MESSAGE, Condition
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.kinds.raycluster.ownership import ownership
from rayfleet.kinds.raycluster.plan import (
    CreatePod,
    CreateSecret,
    CreateService,
    DeletePod,
    Ownership,
    Plan,
    SelectHead,
)
from rayfleet.kinds.raycluster.pod_words import end_words, state_words
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status.cuts import listed
from rayfleet.kinds.raycluster.status.events import troubles
from rayfleet.kinds.raycluster.status.scaling import autoscaling_condition
from rayfleet.kinds.raycluster.status.unknown_fields import unknown_fields
from rayfleet.kube.objects.pods import Pod


def assess(snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome]) -> tuple[Condition, ...]:
    """Every condition of ours that applies."""
    if ownership(snapshot.cluster, snapshot.other_operator) is Ownership.YIELDED:
        message = (
            f"Lease {snapshot.other_operator} of another operator is alive; nothing is done until it expires"
        )
        return (Condition(ConditionType.MANAGED, False, "OtherOperatorActive", message),)
    return tuple(_ours(snapshot, plan, outcomes))


def _ours(snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome]) -> Iterator[Condition]:
    failure = _replica_failure(snapshot, outcomes)
    complete = _complete(snapshot, plan)
    yield _head_ready(snapshot)
    was_provisioned = snapshot.recorded.holds(ConditionType.PROVISIONED)
    # The snapshot includes what the pass has done, and no event would wake us for what is left.
    carried_out = len(plan.actions) == sum(isinstance(outcome, Succeeded) for outcome in outcomes)
    if was_provisioned or (complete and failure is None and carried_out):
        yield Condition(ConditionType.PROVISIONED, True, "AllPodRunningAndReadyFirstTime")
    else:
        yield Condition(ConditionType.PROVISIONED, False, "RayClusterPodsProvisioning")
    yield _ready(snapshot, plan, complete)
    yield _valid(snapshot.violations)
    if failure is not None:
        yield failure
    scaling = autoscaling_condition(snapshot, plan)
    if scaling is not None:
        yield scaling
    if snapshot.spec is not None:
        ignored = [*plan.not_acted_on]
        ignored += [
            f"{path} is unknown to this Kubernetes and has no effect: check its spelling, or remove it"
            for path in unknown_fields(snapshot, outcomes)
        ]
        if ignored:
            message = listed(tuple(ignored), LONGEST_MESSAGE)
            yield Condition(ConditionType.SUPPORTED, False, "FieldsNotActedOn", message)


def _head_ready(snapshot: Snapshot) -> Condition:
    heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD]
    if not heads:
        return Condition(ConditionType.HEAD_POD_READY, False, "HeadPodNotFound", "there is no head pod")
    head = max(heads, key=lambda pod: (not pod.ended, pod.head_epoch or 0, pod.created))
    if head.ready and head.active:
        return Condition(ConditionType.HEAD_POD_READY, True, "HeadPodRunningAndReady")
    reason = end_words(head) if head.ended else head.readiness.reason
    return Condition(
        ConditionType.HEAD_POD_READY, False, _reason(reason), f"pod {head.name}: {state_words(head)}"
    )


def _wanted_pods(spec: RayClusterSpec, plan: Plan) -> int:
    """The head and every wanted worker."""
    return 1 + sum(map(plan.pods, spec.worker_group_specs))


def _complete(snapshot: Snapshot, plan: Plan) -> bool:
    """As many pods as wanted, head included, and each of them ready; an idle one may be leaving."""
    if snapshot.spec is None:
        return False
    wanted = _wanted_pods(snapshot.spec, plan)
    active = [pod for pod in _counted(snapshot, snapshot.spec) if pod.active]
    return len(active) >= wanted and all(pod.ready for pod in active)


def _counted(snapshot: Snapshot, spec: RayClusterSpec) -> list[Pod]:
    """The pods without those of suspended groups, for which nobody waits."""
    suspended = {group.group_name for group in spec.worker_group_specs if group.suspend}
    return [pod for pod in snapshot.pods if pod.group not in suspended]


def _ready(snapshot: Snapshot, plan: Plan, complete: bool) -> Condition:  # noqa: FBT001 - one of three facts
    if complete and not snapshot.violations:
        return Condition(ConditionType.READY, True, "AllPodsReady")
    if snapshot.spec is None:
        return Condition(ConditionType.READY, False, "InvalidSpec", "see condition Valid")
    wanted = _wanted_pods(snapshot.spec, plan)
    pods = _counted(snapshot, snapshot.spec)
    ready = sum(pod.ready and pod.active for pod in pods)
    blocked = sorted({f"{pod.group}: {state_words(pod)}" for pod in pods if not (pod.ready and pod.active)})
    parts = [f"{ready} of {wanted} {'pod is' if wanted == 1 else 'pods are'} ready", *plan.waits, *blocked]
    return Condition(ConditionType.READY, False, "PodsNotReady", listed(parts, LONGEST_MESSAGE))


def _valid(violations: Sequence[Violation]) -> Condition:
    if not violations:
        return Condition(ConditionType.VALID, True, "SpecAccepted")
    parts = [f"{violation.path}: {violation.message}" for violation in violations]
    message = listed(parts, LONGEST_MESSAGE)
    return Condition(ConditionType.VALID, False, "InvalidSpec", message)


def _replica_failure(snapshot: Snapshot, outcomes: Sequence[Outcome]) -> Condition | None:
    """The first failure of this pass, or a hold left by an earlier one."""
    for failed in troubles(outcomes):
        action, message = failed.action, failed.failure.message
        # The same message as for a hold, so that nothing changes when only the hold is left.
        what = f"group {action.group}" if isinstance(action, CreatePod) else action.reason
        return Condition(ConditionType.REPLICA_FAILURE, True, _failure_reason(failed), f"{what}: {message}")
    for group, hold in sorted(snapshot.held.items()):
        kind = "Head" if group == HEAD_GROUP else "Worker"
        return Condition(
            ConditionType.REPLICA_FAILURE, True, f"FailedCreate{kind}Pod", f"group {group}: {hold.words}"
        )
    return None


def _failure_reason(failed: Failed) -> str:
    match failed.action:
        case CreateService():
            return "FailedCreateService"
        case SelectHead():
            return "FailedUpdateService"
        case CreateSecret():
            return "FailedCreateSecret"
        case DeletePod(node_type=node_type):
            return "FailedDeleteWorkerPod" if node_type == NodeType.WORKER else "FailedDeleteHeadPod"
        case CreatePod(node_type=NodeType.WORKER):
            return "FailedCreateWorkerPod"
        case _:
            return "FailedCreateHeadPod"


def _reason(words: str) -> str:
    """A condition's reason must be a CamelCase word."""
    return words if words.isascii() and words.isalnum() and words[:1].isalpha() else "Unknown"
