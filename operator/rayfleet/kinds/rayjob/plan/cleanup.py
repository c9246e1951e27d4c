"""What of an ended job goes, and when.

| the spec says | after the end |
|---|---|
| `deletionStrategy.deletionRules` | of the rules that match and are due, the strongest |
| `deletionStrategy.onSuccess`, `onFailure` | that policy, `ttlSecondsAfterFinished` later |
| `shutdownAfterJobFinishes` | the cluster goes, `ttlSecondsAfterFinished` later, whatever the end was |
| none of these | the cluster stays, which `ResourcesHeld` says |

Rules can name the ends `SUCCEEDED`, `FAILED` and `Failed` only. To an end that none of them names applies
what is said of its like: to a job that somebody has stopped, the rules for `SUCCEEDED`; to one that has
failed without Ray's word, as by a deadline, those for `FAILED`. Otherwise its cluster would stay for ever.

A selected cluster is never touched; the job itself may go.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from rayfleet.api.rayjob import DeletionCondition, DeletionRule, RayJobSpec
from rayfleet.api.rayjob.deletion import PolicyType
from rayfleet.api.rayjob.status import JobDeploymentStatus, JobStatus, RayJobStatus
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot
from rayfleet.kube.objects.timestamps import unix_seconds

_STRENGTH: Final = (
    "DeleteNone",
    "DeleteWorkers",
    "DeleteCluster",
    "DeleteSelf",
)


class Due(Struct, frozen=True):
    """What a rule asks for, and from when on."""

    policy: PolicyType
    at: float
    """Unix seconds."""
    reason: str


def due(seen: JobSnapshot) -> tuple[Due | None, float | None]:
    """The strongest thing to do now, and the seconds until the next rule is due; None if there is none."""
    left = left_to_do(seen, seen.recorded)
    now = [rule for rule in left if rule.at <= seen.now]
    later = min((rule.at - seen.now for rule in left if rule.at > seen.now), default=None)
    return max(now, key=lambda rule: _STRENGTH.index(rule.policy), default=None), later


def left_to_do(seen: JobSnapshot, status: RayJobStatus) -> list[Due]:
    """What the rules ask for that is not done yet, due or not."""
    if status.end_time is None:
        return []
    return [rule for rule in rules(seen.spec, status) if not _is_done(rule.policy, seen)]


def rules(spec: RayJobSpec, status: RayJobStatus) -> Iterator[Due]:
    """The rules that apply to the end of a job."""
    end, ttl = unix_seconds(status.end_time), spec.ttl_seconds_after_finished
    strategy = spec.deletion_strategy
    if strategy is not None and strategy.deletion_rules:
        for rule in _matching(strategy.deletion_rules, status):
            condition = rule.condition
            named = condition.job_status or condition.job_deployment_status
            reason = f"deletionRules: {rule.policy} {condition.ttl_seconds} s after {named}"
            yield Due(rule.policy, end + condition.ttl_seconds, reason)
    elif strategy is not None:
        succeeded = status.job_deployment_status == JobDeploymentStatus.COMPLETE
        outcome = strategy.on_success if succeeded else strategy.on_failure
        if outcome is not None and outcome.policy is not None:
            reason = f"{'onSuccess' if succeeded else 'onFailure'}: {outcome.policy}"
            yield Due(outcome.policy, end + ttl, reason)
    elif spec.shutdown_after_job_finishes:
        yield Due("DeleteCluster", end + ttl, "shutdownAfterJobFinishes")


def _matching(rules: tuple[DeletionRule, ...], status: RayJobStatus) -> list[DeletionRule]:
    matching = [rule for rule in rules if _matches(rule.condition, status)]
    if matching:
        return matching
    has_failed = status.job_deployment_status == JobDeploymentStatus.FAILED
    like = JobStatus.FAILED if has_failed else JobStatus.SUCCEEDED
    return [rule for rule in rules if rule.condition.job_status == like]


def _matches(condition: DeletionCondition, status: RayJobStatus) -> bool:
    if condition.job_status:
        return condition.job_status == status.job_status
    return condition.job_deployment_status == status.job_deployment_status


def _is_done(policy: PolicyType, seen: JobSnapshot) -> bool:
    """Whether nothing is left to do for a policy."""
    cluster = seen.cluster
    if policy in {"DeleteSelf", "DeleteNone"}:
        return policy == "DeleteNone"
    if not isinstance(cluster, ClusterFacts) or cluster.deleting or not cluster.owned:
        return True
    return policy == "DeleteWorkers" and not cluster.unsuspended
