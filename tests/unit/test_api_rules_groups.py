"""Rules about groups and their start parameters: each finds what breaks it, and lets its fixed twin pass."""

import json

import pytest

from rayfleet.api.raycluster.rules import groups
from rayfleet.api.raycluster.validation import validate
from support.builders import group, parsed, spec, template
from support.rule_rows import GPU, GPU_PATH, HEAD, Row, check, row_id, rules_of


def named(count: int) -> str:
    """A start parameter with so many resources."""
    return json.dumps({f"r{i}": 1 for i in range(count)})


ROWS = [
    Row(
        groups.template_has_a_container,
        f"{GPU_PATH}.template.spec.containers",
        {f"{GPU}.template": {"spec": {"containers": []}}},
    ),
    Row(
        groups.template_has_a_container,
        f"spec.{HEAD}.template.spec.containers",
        {f"{HEAD}.template": {"spec": "what"}},
    ),
    Row(
        groups.resources_are_set_in_one_place,
        f"{GPU_PATH}.resources",
        {f"{GPU}.resources": {"GPU": "1"}, f"{GPU}.rayStartParams": {"num-gpus": "1"}},
        {f"{GPU}.resources": {"GPU": "1"}, f"{GPU}.rayStartParams": {"block": "true"}},
    ),
    Row(
        groups.resources_are_amounts,
        f"spec.{HEAD}.resources[CPU]",
        {f"{HEAD}.resources": {"CPU": "NaN"}},
        {f"{HEAD}.resources": {"CPU": "2", "memory": "4Gi"}},
    ),
    Row(
        groups.resources_are_amounts,
        f"{GPU_PATH}.resources[GPU]",
        {f"{GPU}.resources": {"GPU": "-1"}},
        {f"{GPU}.resources": {"GPU": "0"}},
    ),
    Row(
        groups.labels_have_their_own_field,
        f"spec.{HEAD}.rayStartParams[labels]",
        {f"{HEAD}.rayStartParams": {"labels": "a=b"}},
        {f"{HEAD}.labels": {"a": "b"}},
    ),
    Row(
        groups.labels_are_valid,
        f"{GPU_PATH}.labels[a/b/c]",
        {f"{GPU}.labels": {"a/b/c": "x"}},
        {f"{GPU}.labels": {"a.b/c": "x"}},
    ),
    Row(
        groups.labels_are_valid,
        f"{GPU_PATH}.labels[zone]",
        {f"{GPU}.labels": {"zone": "-a"}},
        {f"{GPU}.labels": {"zone": ""}},
    ),
    Row(
        groups.scale_gates_have_names_of_their_own,
        f"{GPU_PATH}.scaleStrategy.scaleGate[0].name",
        {f"{GPU}.scaleStrategy": {"scaleGate": [{"name": "Not.a.domain/gate"}]}},
        {f"{GPU}.scaleStrategy": {"scaleGate": [{"name": "example.com/gate"}, {"name": "v1.2"}]}},
    ),
    Row(
        groups.scale_gates_have_names_of_their_own,
        f"{GPU_PATH}.scaleStrategy.scaleGate[1].name",
        {f"{GPU}.scaleStrategy": {"scaleGate": [{"name": "a"}, {"name": "a"}]}},
        {f"{GPU}.scaleStrategy": {"scaleGate": [{"name": "a"}, {"name": "b"}]}},
    ),
    Row(
        groups.group_name_is_a_label_value,
        f"{GPU_PATH}.groupName",
        {f"{GPU}.groupName": "a b"},
        {f"{GPU}.groupName": "A_b"},
    ),
    Row(groups.group_name_is_a_label_value, f"{GPU_PATH}.groupName", {f"{GPU}.groupName": ""}),
    Row(
        groups.group_names_are_unique,
        "spec.workerGroupSpecs[1].groupName",
        {"workerGroupSpecs.1.groupName": "gpu"},
    ),
    Row(groups.bounds_are_not_negative, f"{GPU_PATH}.minReplicas", {f"{GPU}.minReplicas": -1}),
    Row(groups.bounds_are_not_negative, f"{GPU_PATH}.maxReplicas", {f"{GPU}.maxReplicas": -1}),
    Row(
        groups.bounds_are_in_order,
        f"{GPU_PATH}.minReplicas",
        {f"{GPU}.minReplicas": 5},
        {f"{GPU}.minReplicas": 4},
    ),
    Row(
        groups.replica_has_a_host,
        f"{GPU_PATH}.numOfHosts",
        {f"{GPU}.numOfHosts": 0},
        {f"{GPU}.numOfHosts": 4},
    ),
    Row(
        groups.replica_has_a_host,
        f"{GPU_PATH}.numOfHosts",
        {f"{GPU}.numOfHosts": 10_001},
        {f"{GPU}.numOfHosts": 10_000},
    ),
    Row(
        groups.backoff_bounds_are_in_order,
        f"{GPU_PATH}.failurePolicy.initialBackoffSeconds",
        {f"{GPU}.failurePolicy": {"initialBackoffSeconds": 301}},
        {f"{GPU}.failurePolicy": {"initialBackoffSeconds": 300}},
    ),
    Row(
        groups.fallback_leads_to_another_group,
        f"{GPU_PATH}.fallback.groups[0]",
        {f"{GPU}.fallback": {"groups": ["gpu"]}},
        {f"{GPU}.fallback": {"groups": ["cpu"]}},
    ),
    Row(
        groups.fallback_leads_to_another_group,
        f"{GPU_PATH}.fallback.groups[1]",
        {f"{GPU}.fallback": {"groups": ["cpu", "tpu"]}},
    ),
    Row(
        groups.resources_are_amounts,
        f"{GPU_PATH}.resources[disk]",
        {f"{GPU}.resources": {"disk": "1.5"}},
        {f"{GPU}.resources": {"disk": "2", "CPU": "1.5"}},
    ),
    Row(
        groups.resources_are_amounts,
        f"{GPU_PATH}.resources[object_store_memory]",
        {f"{GPU}.resources": {"object_store_memory": "1Gi"}},
        {f"{GPU}.rayStartParams": {"object-store-memory": "1000000"}},
    ),
    Row(
        groups.resources_are_amounts,
        f"{GPU_PATH}.resources[NPU]",
        {f"{GPU}.resources": {"NPU": "1e400"}},
        {f"{GPU}.resources": {"NPU": "1e18"}},
    ),
    Row(
        groups.resources_are_amounts,
        f"{GPU_PATH}.resources[CPU]",
        {f"{GPU}.resources": {"CPU": "9" * 400}},
        {f"{GPU}.resources": {"CPU": "64"}},
    ),
    Row(
        groups.resource_names_are_few,
        f"{GPU_PATH}.resources",
        {f"{GPU}.resources": {f"r{i}": "1" for i in range(65)}},
        {f"{GPU}.resources": {f"r{i}": "1" for i in range(64)}},
    ),
    Row(
        groups.resource_names_are_few,
        f"{GPU_PATH}.resources",
        {f"{GPU}.rayStartParams": {"resources": named(65)}},
        {f"{GPU}.rayStartParams": {"resources": named(64)}},
    ),
    Row(
        groups.resource_names_are_few,
        f"{GPU_PATH}.resources",
        {f"{GPU}.template": template(**{f"example.com/r{i}": "1" for i in range(65)})},
        {f"{GPU}.template": template(**{f"example.com/r{i}": "1" for i in range(60)})},
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(groups) == {row.rule for row in ROWS}


def test_the_names_of_resources_of_all_groups_together_are_bounded() -> None:
    """Only the groups beyond the bound are stopped; names that several groups share count once."""
    own = [group(f"g{k}", resources={f"{k}-{i}": "1" for i in range(60)}) for k in range(6)]
    same = [group(f"s{k}", resources={f"0-{i}": "1" for i in range(60)}) for k in range(6)]
    broken = validate(parsed(spec(*own, *same)), name="demo", labels={}, annotations={})
    assert [violation.group for violation in broken] == ["g4", "g5"]
