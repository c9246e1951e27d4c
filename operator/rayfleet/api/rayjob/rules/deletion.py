"""Rules about `deletionStrategy`: what is deleted after the end, by rules or by two policies."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.rayjob.deletion import DeletionCondition, DeletionRule, DeletionStrategy
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.violation import Violation

_STRATEGY: Final = "spec.deletionStrategy"
_OF_A_CLUSTER: Final = ("DeleteWorkers", "DeleteCluster")
_IN_ORDER: Final = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")
"""Each deletes what the one before it deletes, and more."""


def rules_are_the_only_way(subject: JobSubject) -> Findings:
    """With two ways it would be unclear which one counts."""
    strategy = subject.spec.deletion_strategy
    if strategy is None:
        return
    legacy = bool(strategy.on_success or strategy.on_failure)
    if strategy.deletion_rules and subject.spec.shutdown_after_job_finishes:
        yield Violation(
            f"{_STRATEGY}.deletionRules",
            "cannot be set with shutdownAfterJobFinishes: they are mutually exclusive, so remove one.",
        )
    if strategy.deletion_rules and legacy:
        yield Violation(
            _STRATEGY, "Cannot use both legacy onSuccess/onFailure and deletionRules: remove one."
        )
    if not strategy.deletion_rules and not legacy:
        yield Violation(
            _STRATEGY,
            "requires either BOTH onSuccess and onFailure, or deletionRules: set them, or remove it.",
        )


def conditions_name_one_status(subject: JobSubject) -> Findings:
    """A rule with two statuses, or with none, would never apply."""
    for path, rule in _rules(subject):
        condition = rule.condition
        if condition.job_status and condition.job_deployment_status:
            yield Violation(path, "cannot set both jobStatus and jobDeploymentStatus: remove one.")
        elif not condition.job_status and not condition.job_deployment_status:
            yield Violation(path, "must have exactly one of jobStatus and jobDeploymentStatus: set one.")


def delays_are_not_negative(subject: JobSubject) -> Findings:
    """Nothing can be deleted before the end."""
    for path, rule in _rules(subject):
        ttl = rule.condition.ttl_seconds
        if ttl < 0:
            yield Violation(path, f"has a ttlSeconds of {ttl}, which must be non-negative: set 0 or more.")


def rules_leave_a_selected_cluster_alone(subject: JobSubject) -> Findings:
    """It belongs to somebody else."""
    for path, rule in _rules(subject):
        if rule.policy in _OF_A_CLUSTER and subject.selects_a_cluster:
            yield Violation(
                path,
                f"has policy {rule.policy}, which is not supported when ClusterSelector is set: remove it.",
            )


def rules_leave_workers_to_the_queue(subject: JobSubject) -> Findings:
    """Workers of a cluster that follows its queue go with it."""
    for path, rule in _rules(subject):
        if rule.policy == "DeleteWorkers" and subject.is_autoscaled:
            yield Violation(
                path,
                "has policy DeleteWorkers, not supported with autoscaling enabled: use DeleteCluster.",
            )


def rules_differ(subject: JobSubject) -> Findings:
    """Of two rules with one policy and one status, only the delay could differ."""
    seen: set[tuple[str, str]] = set()
    for path, rule in _rules(subject):
        for status in _statuses(rule.condition):
            if (rule.policy, status) in seen:
                yield Violation(
                    path, f"is a duplicate rule for {rule.policy} and {status}: remove one of them."
                )
            seen.add((rule.policy, status))


def delays_are_in_order(subject: JobSubject) -> Findings:
    """What deletes more comes later, or the rule before it would never apply."""
    delays: dict[str, dict[str, tuple[str, int]]] = {}
    for path, rule in _rules(subject):
        for status in _statuses(rule.condition):
            delays.setdefault(status, {})[rule.policy] = (path, rule.condition.ttl_seconds)
    for status, of_policy in delays.items():
        present = [policy for policy in _IN_ORDER if policy in of_policy]
        for weaker, stronger in pairwise(present):
            (_, first), (path, second) = of_policy[weaker], of_policy[stronger]
            if second < first:
                yield Violation(
                    path,
                    f"has a ttlSeconds of {second}, which must be >= that of {weaker} for {status} ({first}):"
                    " raise it.",
                )


def legacy_policies_are_complete(subject: JobSubject) -> Findings:
    """One outcome without a policy would keep its cluster for ever."""
    strategy = subject.spec.deletion_strategy
    if strategy is None or strategy.deletion_rules:
        return
    given = {"onSuccess": strategy.on_success, "onFailure": strategy.on_failure}
    if (strategy.on_success is None) != (strategy.on_failure is None):
        missing = next(name for name, policy in given.items() if policy is None)
        yield Violation(
            f"{_STRATEGY}.{missing}",
            "is required: both onSuccess and onFailure must be set, or use deletionRules.",
        )
    for name, policy in given.items():
        if policy is not None and policy.policy is None:
            yield Violation(f"{_STRATEGY}.{name}.policy", "cannot be unset: choose a policy.")


def legacy_policies_fit_the_cluster(subject: JobSubject) -> Findings:
    """As for rules."""
    for path, policy in _legacy(subject.spec.deletion_strategy):
        if subject.selects_a_cluster and policy in _OF_A_CLUSTER:
            yield Violation(
                path,
                f"ClusterSelector doesn't support DeletionStrategy={policy}: use DeleteNone or DeleteSelf.",
            )
        if subject.is_autoscaled and policy == "DeleteWorkers":
            yield Violation(
                path,
                "is DeleteWorkers, which does not support RayCluster with autoscaling: use DeleteCluster.",
            )


def nothing_is_kept_that_is_shut_down(subject: JobSubject) -> Findings:
    """The cluster cannot be both deleted and kept."""
    for path, policy in _legacy(subject.spec.deletion_strategy):
        if subject.spec.shutdown_after_job_finishes and policy == "DeleteNone":
            yield Violation(
                path,
                "has no effect: shutdownAfterJobFinishes is set, but the deletion policy is 'DeleteNone', so"
                " choose another policy, or unset the former.",
            )


def _rules(subject: JobSubject) -> Sequence[tuple[str, DeletionRule]]:
    strategy = subject.spec.deletion_strategy
    rules = strategy.deletion_rules if strategy else ()
    return [(f"{_STRATEGY}.deletionRules[{index}]", rule) for index, rule in enumerate(rules)]


def _legacy(strategy: DeletionStrategy | None) -> Iterator[tuple[str, str]]:
    """The policies of `onSuccess` and `onFailure`, with their paths."""
    if strategy is not None and not strategy.deletion_rules:
        for name, policy in (("onSuccess", strategy.on_success), ("onFailure", strategy.on_failure)):
            if policy is not None and policy.policy is not None:
                yield f"{_STRATEGY}.{name}.policy", policy.policy


def _statuses(condition: DeletionCondition) -> Iterator[str]:
    if condition.job_status:
        yield f"jobStatus {condition.job_status}"
    if condition.job_deployment_status:
        yield f"jobDeploymentStatus {condition.job_deployment_status}"
