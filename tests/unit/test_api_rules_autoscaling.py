"""Rules about autoscaling: each finds what breaks it, and lets its fixed twin pass."""

import pytest

from rayfleet.api.raycluster.rules import autoscaling
from support.rule_rows import GPU, GPU_PATH, HEAD, HEAD_ENV, HEAD_ENV_PATH, Row, check, env, row_id, rules_of

HEAD_IMAGE = f"{HEAD}.template.spec.containers.0.image"

ROWS = [
    Row(
        autoscaling.v2_needs_autoscaling,
        HEAD_ENV_PATH,
        {HEAD_ENV: env("RAY_enable_autoscaler_v2")},
        {HEAD_ENV: env("RAY_enable_autoscaler_v2"), "enableInTreeAutoscaling": True},
    ),
    Row(
        autoscaling.version_is_set_in_one_place,
        "spec.autoscalerOptions.version",
        {HEAD_ENV: env("RAY_enable_autoscaler_v2"), "autoscalerOptions": {"version": "v2"}},
        {"autoscalerOptions": {"version": "v2"}},
    ),
    Row(
        autoscaling.v2_needs_pods_that_do_not_restart,
        f"{GPU_PATH}.template.spec.restartPolicy",
        {
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"version": "v2"},
            f"{GPU}.template.spec.restartPolicy": "Always",
        },
        {
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"version": "v2"},
            f"{GPU}.template.spec.restartPolicy": "Never",
        },
    ),
    Row(
        autoscaling.v2_needs_pods_that_do_not_restart,
        f"spec.{HEAD}.template.spec.restartPolicy",
        {
            "enableInTreeAutoscaling": True,
            HEAD_ENV: env("RAY_enable_autoscaler_v2", value="true"),
            f"{HEAD}.template.spec.restartPolicy": "OnFailure",
        },
        {"enableInTreeAutoscaling": True, f"{HEAD}.template.spec.restartPolicy": "OnFailure"},
    ),
    Row(
        autoscaling.idle_timeout_is_not_negative,
        "spec.autoscalerOptions.idleTimeoutSeconds",
        {"autoscalerOptions": {"idleTimeoutSeconds": -1}},
        {"autoscalerOptions": {"idleTimeoutSeconds": 0}},
    ),
    Row(
        autoscaling.idle_timeout_is_not_negative,
        f"{GPU_PATH}.idleTimeoutSeconds",
        {f"{GPU}.idleTimeoutSeconds": -1},
        {f"{GPU}.idleTimeoutSeconds": 1},
    ),
    Row(
        autoscaling.group_idle_timeout_needs_v2,
        f"{GPU_PATH}.idleTimeoutSeconds",
        {f"{GPU}.idleTimeoutSeconds": 1, "autoscalerOptions": {"version": "v1"}},
        {f"{GPU}.idleTimeoutSeconds": 1, "autoscalerOptions": {"version": "v2"}},
    ),
    Row(
        autoscaling.group_idle_timeout_needs_v2,
        f"{GPU_PATH}.idleTimeoutSeconds",
        {f"{GPU}.idleTimeoutSeconds": 1, "rayVersion": "2.46.0"},
        {f"{GPU}.idleTimeoutSeconds": 1, "rayVersion": "", HEAD_IMAGE: "ray:latest"},
    ),
    Row(
        autoscaling.group_idle_timeout_needs_v2,
        f"{GPU_PATH}.idleTimeoutSeconds",
        {f"{GPU}.idleTimeoutSeconds": 1, "rayVersion": "", HEAD_IMAGE: "ray:2.46.0"},
        {f"{GPU}.idleTimeoutSeconds": 1, "rayVersion": "", HEAD_IMAGE: "ray:2.47.0"},
    ),
    Row(
        autoscaling.group_idle_timeout_needs_v2,
        f"{GPU_PATH}.idleTimeoutSeconds",
        {f"{GPU}.idleTimeoutSeconds": 1, HEAD_ENV: env("RAY_enable_autoscaler_v2", value="0")},
        {f"{GPU}.idleTimeoutSeconds": 1, HEAD_ENV: env("RAY_enable_autoscaler_v2")},
    ),
    Row(
        autoscaling.priority_needs_a_ray_that_knows_it,
        f"{GPU_PATH}.priority",
        {f"{GPU}.priority": 1, "rayVersion": "2.55.9"},
        {f"{GPU}.priority": 1, "rayVersion": "2.56.0"},
    ),
    Row(
        autoscaling.priority_needs_a_ray_that_knows_it,
        f"{GPU_PATH}.priority",
        {f"{GPU}.priority": 1, "rayVersion": "nightly", HEAD_IMAGE: "ray:nightly"},
        {f"{GPU}.priority": 1, "rayVersion": "nightly", HEAD_IMAGE: "ray:2.56.0"},
    ),
    Row(
        autoscaling.priority_needs_a_ray_that_knows_it,
        f"{GPU_PATH}.priority",
        {f"{GPU}.priority": 1, "autoscalerOptions": {"version": "v1"}},
    ),
    Row(
        autoscaling.suspended_group_is_not_autoscaled,
        f"{GPU_PATH}.suspend",
        {f"{GPU}.suspend": True, "enableInTreeAutoscaling": True},
        {f"{GPU}.suspend": True},
    ),
    Row(
        autoscaling.start_command_is_not_overwritten,
        "spec.autoscalerOptions.env",
        {"autoscalerOptions": {"env": env("KUBERAY_GEN_AUTOSCALER_START_CMD")}},
        {"autoscalerOptions": {"env": env("OTHER")}},
    ),
    *(
        Row(
            autoscaling.metric_scales_a_group,
            f"spec.autoscalerOptions.metrics[0].{wrong}",
            {
                "autoscalerOptions": {
                    "metrics": [
                        {"type": "Prometheus", "query": "q", "targetValue": 5, "workerGroup": "gpu"}
                        | {wrong: value}
                    ]
                }
            },
            {
                "autoscalerOptions": {
                    "metrics": [
                        {"type": "Prometheus", "query": "q", "targetValue": "500m", "workerGroup": "gpu"},
                        {"type": "Prometheus", "query": "r", "targetValue": 5, "workerGroup": "gpu"},
                    ]
                }
            },
        )
        for wrong, value in (
            ("workerGroup", "tpu"),
            ("query", ""),
            ("targetValue", "NaN"),
            ("targetValue", 0),
            ("targetValue", -1),
        )
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(autoscaling) == {row.rule for row in ROWS}
