"""Which spec is acted by, when the stored one cannot be."""

from typing import Any

import orjson

from rayfleet.plan.validity import judge, template_hashes
from support.builders import cluster, group, parsed, spec, template

GOOD = spec(group(replicas=3))
BROKEN = spec(group(replicas=9, minReplicas=5, maxReplicas=1))
BAD_IMAGE = spec(group(replicas=5, template=template(image="")))


def stored(fields: dict[str, Any]) -> bytes:
    """As the cache keeps a spec."""
    return orjson.dumps(fields)


def refused_by(fields: dict[str, Any], name: str) -> dict[str, str]:
    """As after a first create of the group `name` that answered 422."""
    return {dict(template_hashes(cluster(fields), parsed(fields)))[name]: "image: Required value"}


def test_a_good_spec_is_acted_by() -> None:
    """And nothing is said of it."""
    judgement = judge(cluster(GOOD), None, None, {})
    assert (judgement.spec, judgement.violations) == (parsed(GOOD), ())


def test_a_spec_that_breaks_a_rule_leaves_the_last_valid_one_in_charge() -> None:
    """Sizes included: nothing of the broken one is acted on."""
    judgement = judge(cluster(BROKEN), stored(GOOD), stored(GOOD), {})
    assert judgement.spec == parsed(GOOD)
    assert [violation.path for violation in judgement.violations] == ["spec.workerGroupSpecs[0].minReplicas"]


def test_after_a_restart_a_broken_spec_leaves_nothing_to_act_by() -> None:
    """What was valid before is not known any more."""
    judgement = judge(cluster(BROKEN), None, None, {})
    assert judgement.spec is None
    assert judgement.violations


def test_a_spec_of_an_odd_shape_is_a_violation_and_no_exception() -> None:
    """Stored before the schema was, or by another API server."""
    for odd in ({}, {"headGroupSpec": 3}, {"headGroupSpec": {"template": []}, "workerGroupSpecs": "x"}):
        judgement = judge(cluster(odd), None, None, {})
        assert judgement.spec is None
        assert judgement.violations


def test_a_refused_template_is_replaced_by_the_last_one_taken_but_for_the_sizes() -> None:
    """Workers that die are made anew from what worked; the new size holds."""
    judgement = judge(cluster(BAD_IMAGE), stored(BAD_IMAGE), stored(GOOD), refused_by(BAD_IMAGE, "gpu"))
    assert judgement.spec is not None
    acting = judgement.spec.worker_group_specs[0]
    assert acting.template == parsed(GOOD).worker_group_specs[0].template
    assert acting.replicas == 5
    assert [v.path for v in judgement.violations] == ["spec.workerGroupSpecs[0].template"]
    assert judgement.violations[0].message == "image: Required value"


def test_a_refused_head_template_is_named_as_such() -> None:
    """Without an earlier one the spec stays, and the planner leaves that template out."""
    fields = spec(group(), headGroupSpec={"template": template(image="")})
    judgement = judge(cluster(fields), None, None, refused_by(fields, "headgroup"))
    assert judgement.spec == parsed(fields)
    assert [v.path for v in judgement.violations] == ["spec.headGroupSpec.template"]


def test_a_mended_template_is_not_held_against_the_spec() -> None:
    """The refusal was of the other template."""
    judgement = judge(cluster(GOOD), None, None, refused_by(BAD_IMAGE, "gpu"))
    assert judgement.violations == ()


def test_a_suspended_group_has_no_template_to_be_proven() -> None:
    """No pod of it is ever made, and the other groups' templates are proven without it."""
    fields = spec(group(), group("rest", suspend=True))
    assert [name for name, _ in template_hashes(cluster(fields), parsed(fields))] == ["headgroup", "gpu"]
