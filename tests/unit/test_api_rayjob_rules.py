"""Rules about names, clusters, submitters and attempts of RayJobs: each finds what breaks it."""

import json

import pytest

from rayfleet.api.rayjob.rules import attempts, cluster, ending, metadata, submission
from support.rayjob_rows import (
    ON_A_SELECTED_CLUSTER,
    SELECTOR,
    JobRow,
    check_job,
    job_row_id,
    job_rules_of,
)

SIDECAR = {"submissionMode": "SidecarMode"}
INTERACTIVE = {"submissionMode": "InteractiveMode"}
HEAD_POD = "rayClusterSpec.headGroupSpec.template.spec"
POD = {"spec": {"containers": [{"name": "submit"}]}}
SHUT_DOWN = {"shutdownAfterJobFinishes": True}
AUTH = "rayClusterSpec.authOptions"
NESTED = "spec.rayClusterSpec"

ROWS = [
    JobRow(
        metadata.name_fits_into_cluster_names,
        "metadata.name",
        "no more than 47 characters",
        name="j" * 48,
        fixed_name="j" * 47,
    ),
    *(
        JobRow(
            metadata.name_is_a_service_name,
            "metadata.name",
            "valid DNS1035 label",
            name=name,
            fixed_name="a-1",
        )
        for name in ("1st", "a.b", "A", "a-", "")
    ),
    JobRow(
        metadata.manager_is_known,
        "spec.managedBy",
        "must be one of",
        {"managedBy": "me"},
        {"managedBy": "kueue.x-k8s.io/multikueue"},
    ),
    JobRow(
        ending.suspended_job_leaves_no_cluster,
        "spec.suspend",
        "not allowed to be suspended",
        {"suspend": True},
        {"suspend": True, **SHUT_DOWN},
    ),
    JobRow(
        ending.delay_is_not_negative,
        "spec.ttlSecondsAfterFinished",
        "non-negative integer",
        {"ttlSecondsAfterFinished": -1, **SHUT_DOWN},
        {"ttlSecondsAfterFinished": 0},
    ),
    JobRow(
        ending.delay_is_of_a_deletion,
        "spec.ttlSecondsAfterFinished",
        "cannot have TTLSecondsAfterFinished",
        {"ttlSecondsAfterFinished": 1},
        {"ttlSecondsAfterFinished": 1, **SHUT_DOWN},
    ),
    JobRow(
        cluster.suspension_needs_a_cluster_of_its_own,
        "spec.suspend",
        "ClusterSelector mode doesn't support the suspend operation",
        {"suspend": True, **SHUT_DOWN, **ON_A_SELECTED_CLUSTER},
        {"suspend": True, **SHUT_DOWN},
    ),
    JobRow(
        cluster.there_is_a_cluster,
        NESTED,
        "one of RayClusterSpec or ClusterSelector must be set",
        {"rayClusterSpec": None},
        ON_A_SELECTED_CLUSTER,
    ),
    *(
        JobRow(
            cluster.selected_cluster_is_named,
            "spec.clusterSelector[ray.io/cluster]",
            keywords,
            {"clusterSelector": selector},
            {"clusterSelector": SELECTOR},
        )
        for selector, keywords in (
            ({"ray.io/cluster": ""}, "should not be empty"),
            ({"other": "shared"}, "should not be empty"),
            ({"ray.io/cluster": "../../secrets/a"}, "must be the name of a RayCluster"),
        )
    ),
    JobRow(
        cluster.selected_cluster_is_not_made_for_the_job,
        "spec.clusterSelector",
        "not supported in SidecarMode",
        {**ON_A_SELECTED_CLUSTER, **SIDECAR},
        ON_A_SELECTED_CLUSTER,
    ),
    JobRow(
        cluster.selected_cluster_is_not_made_for_the_job,
        "spec.backoffLimit",
        "BackoffLimit is incompatible with ClusterSelector",
        {**ON_A_SELECTED_CLUSTER, "backoffLimit": 1},
        {"backoffLimit": 1},
    ),
    JobRow(
        cluster.kubernetes_tokens_are_for_people,
        f"{NESTED}.authOptions.enableK8sTokenAuth",
        "K8s token auth mode",
        {AUTH: {"mode": "token", "enableK8sTokenAuth": True}},
        {AUTH: {"mode": "token"}},
    ),
    JobRow(
        cluster.cluster_is_valid,
        f"{NESTED}.workerGroupSpecs[0].minReplicas",
        "must not be larger than maxReplicas",
        {"rayClusterSpec.workerGroupSpecs.0.minReplicas": 9},
    ),
    JobRow(
        cluster.cluster_is_valid,
        f"{NESTED}.upgradeStrategy",
        "created by a RayJob",
        {"rayClusterSpec.upgradeStrategy": {"type": "Recreate"}},
    ),
    JobRow(
        cluster.cluster_is_valid,
        f"{NESTED}.authOptions.enableK8sTokenAuth",
        "needs spec.rayClusterSpec.authOptions.mode token",
        {AUTH: {"enableK8sTokenAuth": True}},
        # A name that is too long is the RayJob's fault, which another rule finds.
        name="j" * 99,
    ),
    JobRow(
        attempts.users_submit_once,
        "spec.backoffLimit",
        "incompatible with InteractiveMode",
        {**INTERACTIVE, "backoffLimit": 1},
        {"backoffLimit": 1},
    ),
    JobRow(
        attempts.users_submit_once,
        "spec.retryPolicy",
        "incompatible with InteractiveMode",
        {**INTERACTIVE, "retryPolicy": {}},
        {"retryPolicy": {}},
    ),
    *(
        JobRow(
            attempts.deadlines_are_positive,
            f"spec.{name}",
            "must be a positive integer",
            {name: 0},
            {name: 1},
        )
        for name in ("activeDeadlineSeconds", "preRunningDeadlineSeconds")
    ),
    JobRow(
        attempts.limit_is_not_negative,
        "spec.backoffLimit",
        "must be a positive integer",
        {"backoffLimit": -1},
        {"backoffLimit": 0},
    ),
    *(
        JobRow(
            attempts.retry_bounds_are_not_negative,
            f"spec.retryPolicy.{name}",
            "must not be negative",
            {"retryPolicy": {"backoffSeconds": -2, name: -1}},
            {"retryPolicy": {"backoffSeconds": 0, name: 0}},
        )
        for name in ("infrastructureLimit", "backoffSeconds", "maxBackoffSeconds")
    ),
    JobRow(
        attempts.retry_bounds_are_not_negative,
        "spec.retryPolicy.backoffSeconds",
        "must not be larger than maxBackoffSeconds",
        {"retryPolicy": {"backoffSeconds": 301}},
        {"retryPolicy": {"backoffSeconds": 300}},
    ),
    JobRow(
        attempts.retry_has_a_cluster,
        "spec.retryPolicy.cluster",
        "cannot be Recreate with clusterSelector",
        {**ON_A_SELECTED_CLUSTER, "retryPolicy": {"cluster": "Recreate"}},
        {**ON_A_SELECTED_CLUSTER, "retryPolicy": {}},
    ),
    JobRow(
        attempts.retry_has_a_cluster,
        "spec.retryPolicy.cluster",
        "must be Recreate in SidecarMode",
        {**SIDECAR, "retryPolicy": {}},
        {**SIDECAR, "retryPolicy": {"cluster": "Recreate"}},
    ),
    JobRow(
        submission.sidecar_needs_no_pod,
        "spec.submitterPodTemplate",
        "doesn't support SubmitterPodTemplate",
        {**SIDECAR, "submitterPodTemplate": POD},
        {"submitterPodTemplate": POD},
    ),
    JobRow(
        submission.sidecar_needs_no_pod,
        "spec.submitterConfig",
        "doesn't support SubmitterConfig",
        {**SIDECAR, "submitterConfig": {}},
        {"submitterConfig": {}},
    ),
    JobRow(
        submission.sidecar_ends_with_its_head,
        f"{NESTED}.headGroupSpec.template.spec.restartPolicy",
        "should be Never or unset",
        {**SIDECAR, f"{HEAD_POD}.restartPolicy": "Always"},
        {**SIDECAR, f"{HEAD_POD}.restartPolicy": "Never"},
    ),
    JobRow(
        submission.submitter_has_a_container,
        "spec.submitterPodTemplate.spec.containers",
        "must have at least one container",
        {"submitterPodTemplate": {"spec": {"containers": []}}},
        {"submitterPodTemplate": POD},
    ),
    JobRow(
        submission.submitter_ends,
        "spec.submitterPodTemplate.spec.restartPolicy",
        "must be Never or OnFailure",
        {"submitterPodTemplate": {"spec": {"restartPolicy": "Always"}}},
        {"submitterPodTemplate": {"spec": {"restartPolicy": "OnFailure"}}},
    ),
    JobRow(
        submission.submitter_limit_is_not_negative,
        "spec.submitterConfig.backoffLimit",
        "must be a positive integer or 0",
        {"submitterConfig": {"backoffLimit": -1}},
        {"submitterConfig": {"backoffLimit": 0}},
    ),
    *(
        JobRow(
            submission.job_id_is_a_name,
            "spec.jobId",
            "beginning with a letter or digit",
            {"jobId": job_id},
            {"jobId": "raysubmit_Ab1.2-x:3"},
        )
        for job_id in ("../x", "a/b", "a b", ".", "é", "a" * 201, "a\n")
    ),
    *(
        JobRow(
            submission.metadata_needs_a_ray_that_knows_it,
            "spec.metadata",
            "needs Ray 2.6.0 or later",
            {"submissionMode": mode, "metadata": {"a": "b"}, "rayClusterSpec.rayVersion": "2.5.1"},
            {"submissionMode": fixed, "metadata": {"a": "b"}, "rayClusterSpec.rayVersion": version},
        )
        for mode, fixed, version in (
            ("K8sJobMode", "K8sJobMode", "2.6.0"),
            ("SidecarMode", "SidecarMode", ""),
            ("SidecarMode", "HTTPMode", "2.5.1"),
        )
    ),
    *(
        JobRow(
            submission.runtime_env_is_a_map,
            "spec.runtimeEnvYAML",
            "failed to unmarshal RuntimeEnvYAML",
            {"runtimeEnvYAML": text},
            {"runtimeEnvYAML": "pip: [numpy]\n"},
        )
        for text in ("- pip", "pip: [", "text", "pip: a\npip: b", "a: &x 1\nb: *x")
    ),
    *(
        JobRow(
            submission.entrypoint_resources_are_numbers,
            "spec.entrypointResources",
            keywords,
            {"entrypointResources": text},
            {"entrypointResources": '{"a": 1, "b": 0.5}'},
        )
        for text, keywords in (
            ("a: 1", "must be a JSON object of numbers"),
            ("[1]", "must be a JSON object of numbers"),
            ('{"a": "1"}', "'a' is not a number"),
            ('{"a": true}', "'a' is not a number"),
            ('{"a": -1}', "'a' is not a number"),
            ('{"a": NaN}', "must be a JSON object of numbers"),
            (json.dumps({str(n): 1 for n in range(65)}), "must name at most 64 resources"),
            ("[" * 20_000, "must have at most 16384 characters"),
        )
    ),
    *(
        JobRow(
            submission.command_fits_into_an_argument,
            "spec.entrypoint",
            "must have at most 100000 bytes",
            {"submissionMode": mode, "entrypoint": text},
            {"submissionMode": fixed, "entrypoint": "x" * 90_000},
        )
        for mode, fixed, text in (
            ("K8sJobMode", "K8sJobMode", "x" * 100_001),
            ("SidecarMode", "SidecarMode", "é" * 60_000),
            ("K8sJobMode", "HTTPMode", "'" * 40_000),
        )
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=job_row_id)
def test_rule(row: JobRow) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check_job(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert job_rules_of(attempts, cluster, ending, metadata, submission) == {row.rule for row in ROWS}
