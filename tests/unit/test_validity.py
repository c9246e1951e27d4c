"""Which spec counts if the stored one is invalid."""

from typing import Any

import orjson
import pytest

from rayfleet.kinds.raycluster.plan import CreatePod, plan
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.raycluster.validity import Judgement, judge, template_hashes
from support.builders import cluster, group, head, parsed, snapshot, spec, template, worker

GOOD = spec(group(replicas=3))
BROKEN = spec(group(replicas=9, minReplicas=5, maxReplicas=1))
BAD_IMAGE = spec(group(replicas=5, template=template(image="")))


def stored(fields: dict[str, Any]) -> bytes:
    """As the cache keeps a spec."""
    return orjson.dumps(fields)


def refused_by(fields: dict[str, Any], name: str) -> dict[str, str]:
    """The state after a first create of the group `name` was answered with 422."""
    return {dict(template_hashes(cluster(fields), parsed(fields)))[name]: "image: Required value"}


def test_a_valid_spec_counts() -> None:
    """It has no findings."""
    judgement = judge(cluster(GOOD), None, None, {})
    assert (judgement.spec, judgement.violations) == (parsed(GOOD), ())


def test_a_spec_that_breaks_a_rule_leaves_the_last_valid_one_in_charge() -> None:
    """Nothing of the broken one is acted on, not even its sizes."""
    judgement = judge(cluster(BROKEN), stored(GOOD), stored(GOOD), {})
    assert judgement.spec == parsed(GOOD)
    assert [violation.path for violation in judgement.violations] == ["spec.workerGroupSpecs[0].minReplicas"]


def test_after_a_restart_a_broken_spec_leaves_nothing_to_act_on() -> None:
    """The last valid spec is no longer known."""
    judgement = judge(cluster(BROKEN), None, None, {})
    assert judgement.spec is None
    assert judgement.violations


def test_a_spec_of_an_odd_shape_is_a_violation_and_no_exception() -> None:
    """It was stored before the schema existed, or by another API server."""
    for odd in ({}, {"headGroupSpec": 3}, {"headGroupSpec": {"template": []}, "workerGroupSpecs": "x"}):
        judgement = judge(cluster(odd), None, None, {})
        assert judgement.spec is None
        assert judgement.violations


def test_a_refused_template_is_replaced_by_the_last_accepted_one_except_for_sizes() -> None:
    """Workers that die are recreated from what worked; the new size holds."""
    judgement = judge(cluster(BAD_IMAGE), stored(BAD_IMAGE), stored(GOOD), refused_by(BAD_IMAGE, "gpu"))
    assert judgement.spec is not None
    acting = judgement.spec.worker_group_specs[0]
    assert acting.template == parsed(GOOD).worker_group_specs[0].template
    assert acting.replicas == 5
    assert [v.path for v in judgement.violations] == ["spec.workerGroupSpecs[0].template"]
    assert judgement.violations[0].message == "image: Required value"


def test_a_refused_head_template_is_named_as_such() -> None:
    """Without an earlier one the spec stays, and the planner skips that template."""
    fields = spec(group(), headGroupSpec={"template": template(image="")})
    judgement = judge(cluster(fields), None, None, refused_by(fields, "headgroup"))
    assert judgement.spec == parsed(fields)
    assert [v.path for v in judgement.violations] == ["spec.headGroupSpec.template"]


def test_a_fixed_template_is_not_held_against_the_spec() -> None:
    """The refusal was about the other template."""
    judgement = judge(cluster(GOOD), None, None, refused_by(BAD_IMAGE, "gpu"))
    assert judgement.violations == ()


def test_the_template_of_a_suspended_group_need_not_be_proven() -> None:
    """None of its pods is created, and the other groups' templates are proven without it."""
    fields = spec(group(), group("rest", suspend=True))
    assert [name for name, _ in template_hashes(cluster(fields), parsed(fields))] == ["headgroup", "gpu"]


ODD: dict[str, Any] = {"resources": {"CPU": "four"}}


def test_a_group_with_invalid_amounts_stops_only_itself() -> None:
    """The other groups and the head are acted on; the fault is named."""
    fields = spec(group("odd", replicas=2, **ODD), group("fine", replicas=7))
    judgement = judge(cluster(fields), None, None, {})
    assert judgement.spec == parsed(fields)
    assert [v.path for v in judgement.violations] == ["spec.workerGroupSpecs[0].resources[CPU]"]
    assert list(judgement.withheld) == ["odd"]
    assert "resources[CPU]" in judgement.withheld["odd"]


def test_a_group_at_fault_keeps_its_last_definition_except_for_its_size() -> None:
    """A new group at fault has no earlier definition."""
    before = spec(group("gpu", resources={"CPU": "4"}))
    after = spec(group("gpu", replicas=8, **ODD), group("new", **ODD))
    judgement = judge(cluster(after), stored(before), stored(before), {})
    assert judgement.spec is not None
    acting = judgement.spec.worker_group_specs[0]
    assert (acting.resources, acting.replicas) == ({"CPU": "4"}, 8)
    assert list(judgement.withheld) == ["new"]


def test_a_fault_of_one_group_and_a_refused_template_of_another_are_both_reported() -> None:
    """Each in its own group."""
    fields = spec(group("odd", **ODD), group("gpu", template=template(image="")))
    judgement = judge(cluster(fields), None, None, refused_by(fields, "gpu"))
    assert [v.group for v in judgement.violations] == ["odd", "gpu"]


def judged_as(judgement: Judgement) -> dict[str, Any]:
    """The fields of a snapshot that a judgement fills in."""
    return {"spec": judgement.spec, "withheld": judgement.withheld, "violations": judgement.violations}


HEAD_FAULTS = [
    ({"headGroupSpec": {"template": template(), **ODD}}, ["headgroup"]),
    ({"gcsFaultToleranceOptions": {"redisPassword": {"value": "p"}}}, ["headgroup"]),
    ({"headGroupSpec": {"template": template(), "rayStartParams": {"num-cpus": "1.5"}}}, ["headgroup"]),
]


@pytest.mark.parametrize(("fields", "withheld"), HEAD_FAULTS)
def test_a_fault_of_the_head_stops_only_the_head(fields: dict[str, Any], withheld: list[str]) -> None:
    """No head is created with it, and a running one keeps its workers."""
    of = cluster(spec(group(replicas=2), **fields))
    judgement = judge(of, None, None, {})
    assert list(judgement.withheld) == withheld
    shown = judged_as(judgement)
    assert not any(isinstance(a, CreatePod) for a in plan(snapshot(of, **shown)).actions)
    kept = plan(snapshot(of, [head(of), worker(of, 1)], **shown))
    assert [a.group for a in kept.actions if isinstance(a, CreatePod)] == ["gpu"]
    assert not kept.deletes


def test_an_unknown_port_of_the_head_stops_the_cluster() -> None:
    """Workers could not find it."""
    of = cluster(spec(headGroupSpec={"template": template(), "rayStartParams": {"port": "$PORT"}}))
    assert judge(of, None, None, {}).spec is None


def test_only_the_group_at_fault_gets_no_pods() -> None:
    """The status has the reason beside the state of the other groups."""
    of = cluster(spec(group("odd", replicas=2, **ODD), group("fine", replicas=1)))
    judgement = judge(of, None, None, {})
    shown = judged_as(judgement)
    decided = plan(snapshot(of, **shown))
    assert [a.group for a in decided.actions if isinstance(a, CreatePod)] == ["headgroup", "fine"]
    status = compute_status(snapshot(of, [head(of), worker(of, 1, group_name="fine")], **shown), decided, ())
    valid = next(c for c in status["conditions"] if c["type"] == "Valid")
    assert valid["status"] == "False"
    assert "spec.workerGroupSpecs[0].resources[CPU]" in valid["message"]
    assert "state" not in status
