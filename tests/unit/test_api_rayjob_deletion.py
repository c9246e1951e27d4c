"""Rules about what is deleted after the end of a RayJob: each finds what breaks it."""

from typing import Any

import pytest

from rayfleet.api.rayjob import validate
from rayfleet.api.rayjob.rules import deletion
from support.rayjob_rows import (
    ON_A_SELECTED_CLUSTER,
    JobRow,
    build_job,
    check_job,
    job_row_id,
    job_rules_of,
)

STRATEGY = "spec.deletionStrategy"
SUCCEEDED = {"jobStatus": "SUCCEEDED"}
AUTOSCALED = {"rayClusterSpec.enableInTreeAutoscaling": True}


def rule(policy: str, ttl: int = 0, **condition: str) -> dict[str, Any]:
    return {"policy": policy, "condition": {"ttlSeconds": ttl, **(condition or SUCCEEDED)}}


def by_rules(*rules: dict[str, Any], **legacy: str | None) -> dict[str, Any]:
    return {"deletionStrategy": {"deletionRules": list(rules), **policies(**legacy)}}


def by_policies(**legacy: str | None) -> dict[str, Any]:
    return {"deletionStrategy": policies(**legacy)}


def policies(**legacy: str | None) -> dict[str, Any]:
    return {name: {} if policy is None else {"policy": policy} for name, policy in legacy.items()}


FINE = by_rules(rule("DeleteCluster"))
ROWS = [
    JobRow(
        deletion.rules_are_the_only_way,
        f"{STRATEGY}.deletionRules",
        "mutually exclusive",
        {**FINE, "shutdownAfterJobFinishes": True},
        FINE,
    ),
    JobRow(
        deletion.rules_are_the_only_way,
        STRATEGY,
        "Cannot use both legacy",
        by_rules(rule("DeleteCluster"), onSuccess="DeleteNone"),
        by_policies(onSuccess="DeleteNone", onFailure="DeleteNone"),
    ),
    JobRow(deletion.rules_are_the_only_way, STRATEGY, "requires either BOTH", {"deletionStrategy": {}}, FINE),
    JobRow(deletion.rules_are_the_only_way, STRATEGY, "requires either BOTH", by_rules(), FINE),
    JobRow(
        deletion.conditions_name_one_status,
        f"{STRATEGY}.deletionRules[1]",
        "deletionRules[1]: cannot set both",
        by_rules(rule("DeleteSelf"), rule("DeleteCluster", jobStatus="FAILED", jobDeploymentStatus="Failed")),
        FINE,
    ),
    JobRow(
        deletion.conditions_name_one_status,
        f"{STRATEGY}.deletionRules[0]",
        "exactly one of",
        {"deletionStrategy": {"deletionRules": [{"policy": "DeleteSelf", "condition": {}}]}},
        FINE,
    ),
    JobRow(
        deletion.delays_are_not_negative,
        f"{STRATEGY}.deletionRules[0]",
        "must be non-negative",
        by_rules(rule("DeleteCluster", -1)),
        FINE,
    ),
    *(
        JobRow(
            deletion.rules_leave_a_selected_cluster_alone,
            f"{STRATEGY}.deletionRules[0]",
            "not supported when ClusterSelector is set",
            {**ON_A_SELECTED_CLUSTER, **by_rules(rule(policy))},
            {**ON_A_SELECTED_CLUSTER, **by_rules(rule("DeleteSelf"))},
        )
        for policy in ("DeleteCluster", "DeleteWorkers")
    ),
    JobRow(
        deletion.rules_leave_workers_to_the_queue,
        f"{STRATEGY}.deletionRules[0]",
        "not supported with autoscaling enabled",
        {**AUTOSCALED, **by_rules(rule("DeleteWorkers"))},
        {**AUTOSCALED, **by_rules(rule("DeleteCluster"))},
    ),
    JobRow(
        deletion.rules_differ,
        f"{STRATEGY}.deletionRules[1]",
        "duplicate rule",
        by_rules(rule("DeleteSelf", 1), rule("DeleteSelf", 2)),
        by_rules(rule("DeleteSelf", 1), rule("DeleteSelf", 2, jobStatus="FAILED")),
    ),
    *(
        JobRow(
            deletion.delays_are_in_order,
            f"{STRATEGY}.deletionRules[{index}]",
            "must be >=",
            by_rules(*rules),
            by_rules(rule(rules[0]["policy"], 5), rule(rules[1]["policy"], 5)),
        )
        for index, rules in (
            (1, (rule("DeleteWorkers", 5), rule("DeleteCluster", 4))),
            (0, (rule("DeleteSelf", 4), rule("DeleteCluster", 5))),
            (1, (rule("DeleteWorkers", 5), rule("DeleteSelf", 4))),
        )
    ),
    JobRow(
        deletion.legacy_policies_are_complete,
        f"{STRATEGY}.onFailure",
        "both onSuccess and onFailure must be set",
        by_policies(onSuccess="DeleteSelf"),
        by_policies(onSuccess="DeleteSelf", onFailure="DeleteNone"),
    ),
    JobRow(
        deletion.legacy_policies_are_complete,
        f"{STRATEGY}.onSuccess.policy",
        "cannot be unset",
        by_policies(onSuccess=None, onFailure="DeleteNone"),
        FINE,
    ),
    *(
        JobRow(
            deletion.legacy_policies_fit_the_cluster,
            f"{STRATEGY}.onFailure.policy",
            f"doesn't support DeletionStrategy={policy}",
            {**ON_A_SELECTED_CLUSTER, **by_policies(onSuccess="DeleteNone", onFailure=policy)},
            {**ON_A_SELECTED_CLUSTER, **by_policies(onSuccess="DeleteNone", onFailure="DeleteSelf")},
        )
        for policy in ("DeleteCluster", "DeleteWorkers")
    ),
    JobRow(
        deletion.legacy_policies_fit_the_cluster,
        f"{STRATEGY}.onSuccess.policy",
        "does not support RayCluster with autoscaling",
        {**AUTOSCALED, **by_policies(onSuccess="DeleteWorkers", onFailure="DeleteNone")},
        {**AUTOSCALED, **by_policies(onSuccess="DeleteCluster", onFailure="DeleteNone")},
    ),
    JobRow(
        deletion.nothing_is_kept_that_is_shut_down,
        f"{STRATEGY}.onFailure.policy",
        "deletion policy is 'DeleteNone'",
        {"shutdownAfterJobFinishes": True, **by_policies(onSuccess="DeleteSelf", onFailure="DeleteNone")},
        {"shutdownAfterJobFinishes": True, **by_policies(onSuccess="DeleteSelf", onFailure="DeleteWorkers")},
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=job_row_id)
def test_rule(row: JobRow) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check_job(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert job_rules_of(deletion) == {row.rule for row in ROWS}


def test_delays_are_compared_within_one_status_only() -> None:
    """A failed job may go before a successful one would."""
    rules = (
        rule("DeleteWorkers", 100),
        rule("DeleteCluster", 10, jobStatus="FAILED"),
        rule("DeleteSelf", 1, jobDeploymentStatus="Failed"),
    )
    assert validate(build_job(by_rules(*rules)), name="train") == ()


def test_all_faults_of_all_rules_are_found() -> None:
    """They are joined, as the user fixes them together."""
    rules = (rule("DeleteWorkers", -1), rule("DeleteWorkers", 3), rule("DeleteSelf", 2))
    violations = validate(build_job({**AUTOSCALED, **by_rules(*rules)}), name="train")
    said = " ".join(map(str, violations))
    for keywords in ("must be non-negative", "with autoscaling enabled", "duplicate rule", "must be >="):
        assert keywords in said, keywords
