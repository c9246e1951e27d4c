"""Rules about tokens, network policies and TLS: each finds what breaks it, and lets its fixed twin pass."""

import pytest

from rayfleet.api.raycluster.rules import security
from support.rule_rows import GPU, GPU_PATH, HEAD, Row, check, env, row_id, rules_of

HEAD_IMAGE = f"{HEAD}.template.spec.containers.0.image"

ROWS = [
    *(
        Row(
            security.tokens_need_a_ray_that_knows_them,
            "spec.rayVersion",
            {"authOptions": {"mode": "token"}, "rayVersion": version, HEAD_IMAGE: image},
            {"authOptions": {"mode": "token"}, "rayVersion": "2.52.0"},
        )
        for version, image in (
            ("", "ray"),
            ("latest", "ray:latest"),
            ("2.51.2", "ray:2.60.0"),
            ("", "ray:2.51.2"),
        )
    ),
    Row(
        security.tokens_need_a_ray_that_knows_them,
        "spec.rayVersion",
        {"authOptions": {"mode": "token"}, "rayVersion": "", HEAD_IMAGE: "train:2.60.0"},
        {"authOptions": {"mode": "token"}, "rayVersion": "", HEAD_IMAGE: "ray:2.60.0"},
    ),
    Row(
        security.kubernetes_tokens_need_a_ray_that_knows_them,
        "spec.rayVersion",
        {"authOptions": {"mode": "token", "enableK8sTokenAuth": True}, "rayVersion": "2.54.0"},
        {"authOptions": {"mode": "token", "enableK8sTokenAuth": True}, "rayVersion": "2.55.0"},
    ),
    Row(
        security.kubernetes_tokens_are_tokens,
        "spec.authOptions.enableK8sTokenAuth",
        {"authOptions": {"enableK8sTokenAuth": True}},
        {"authOptions": {"enableK8sTokenAuth": True, "mode": "token"}},
    ),
    Row(
        security.kubernetes_tokens_are_tokens,
        "spec.authOptions.secretName",
        {"authOptions": {"enableK8sTokenAuth": True, "mode": "token", "secretName": "s"}},
        {"authOptions": {"mode": "token", "secretName": "s"}},
    ),
    *(
        Row(
            security.network_rules_match_the_mode,
            f"spec.networkPolicy.{place}.{rules}",
            {f"networkPolicy.{place}": {rules: [{}]}, "networkPolicy.mode": mode},
            {f"networkPolicy.{place}": {rules: [{}]}, "networkPolicy.mode": "DenyAll"},
        )
        for place in ("head", "worker")
        for rules, mode in (("ingressRules", "DenyAllEgress"), ("egressRules", "DenyAllIngress"))
    ),
    Row(
        security.network_rules_match_the_mode,
        "spec.networkPolicy.workerGroups[0].egressRules",
        {
            "networkPolicy": {
                "mode": "DenyAllIngress",
                "workerGroups": [{"groupName": "gpu", "egressRules": [{}]}],
            }
        },
        {
            "networkPolicy": {
                "mode": "DenyAllEgress",
                "workerGroups": [{"groupName": "gpu", "egressRules": [{}]}],
            }
        },
    ),
    Row(
        security.network_policy_groups_exist,
        "spec.networkPolicy.workerGroups[0].groupName",
        {"networkPolicy": {"workerGroups": [{"groupName": "tpu"}]}},
        {"networkPolicy": {"workerGroups": [{"groupName": "gpu"}]}},
    ),
    Row(
        security.network_policy_names_are_possible,
        f"{GPU_PATH}.groupName",
        {"networkPolicy": {}, f"{GPU}.groupName": "GPU_a"},
        {f"{GPU}.groupName": "GPU_a"},
    ),
    Row(
        security.tls_is_set_up_by_the_operator,
        f"{GPU_PATH}.template.spec.containers[0].env",
        {"tlsOptions": {"enabled": True}, f"{GPU}.template.spec.containers.0.env": env("RAY_TLS_CA_CERT")},
        {"tlsOptions": {"enabled": False}, f"{GPU}.template.spec.containers.0.env": env("RAY_TLS_CA_CERT")},
    ),
    Row(
        security.tls_is_set_up_by_the_operator,
        "spec.autoscalerOptions.env",
        {"tlsOptions": {"enabled": True}, "autoscalerOptions": {"env": env("RAY_USE_TLS")}},
        {"autoscalerOptions": {"env": env("RAY_USE_TLS")}},
    ),
    Row(
        security.tls_is_set_up_by_the_operator,
        f"spec.{HEAD}.template.spec.containers[0].volumeMounts[0]",
        {
            "tlsOptions": {"enabled": True},
            f"{HEAD}.template.spec.containers.0.volumeMounts": [{"name": "ray-tls", "mountPath": "/x"}],
        },
        {
            "tlsOptions": {"enabled": True},
            f"{HEAD}.template.spec.containers.0.volumeMounts": [{"name": "own", "mountPath": "/x"}],
        },
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(security) == {row.rule for row in ROWS}
