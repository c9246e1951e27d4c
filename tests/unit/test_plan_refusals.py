"""Templates that the API server has refused: those of the present spec only, and only for a while."""

import orjson

from rayfleet.engine.kind import Look
from rayfleet.engine.outcome import Outcome, outcome_of
from rayfleet.errors import ApiFailure, StatusCause
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import CreatePod, plan
from rayfleet.kinds.raycluster.refusals import MOST, RETRY_SECONDS, Refusals
from rayfleet.kinds.raycluster.validity import judge, template_hashes
from support.builders import NOW, cluster, group, head, parsed, snapshot, spec, template, worker

REFUSED = ApiFailure(422, "Invalid", "no", (StatusCause("image", "Required value"),))


def create(template_hash: str, failure: ApiFailure | None = REFUSED) -> Outcome:
    return outcome_of(CreatePod("worker", "gpu", "x", template_hash, {}, "wanted"), failure)


def test_after_two_thousand_edits_only_the_refusals_of_the_last_one_are_remembered() -> None:
    """Refusals of an earlier spec do not apply to this one."""
    memory = ClusterMemory()
    for generation in range(2_000):
        memory.meet(Look(NOW, 0.0, is_new_generation=True))
        memory.learn([create(f"hash-{generation}")], NOW)
    assert list(memory.refused.words) == ["hash-1999"]


def test_within_one_generation_refusals_are_bounded_by_the_templates_of_a_spec() -> None:
    """The cluster's labels are part of a template, too, and do not change the generation."""
    refusals = Refusals()
    for number in range(1000):
        refusals.note(f"hash-{number}", "no", NOW)
    assert len(refusals.words) == MOST
    assert "hash-999" in refusals.words


def test_refusals_are_shared_with_snapshots_and_not_copied() -> None:
    """They are never changed in place, so a snapshot stays as it was."""
    refusals = Refusals()
    refusals.note("a", "no", NOW)
    first = refusals.withheld(NOW)
    assert refusals.withheld(NOW + 1) is first
    refusals.note("b", "no", NOW)
    refusals.taken("a")
    assert first == {"a": "no"}
    assert refusals.words == {"b": "no"}


def test_a_refused_template_is_tried_again_after_five_minutes_and_not_before() -> None:
    """A webhook may have been fixed; while it is not, that costs one create in five minutes."""
    of = cluster(spec(group(replicas=1)))
    template_hash = dict(template_hashes(of, parsed(of.spec)))["gpu"]
    memory, tries = ClusterMemory(), 0
    for second in range(0, 3600, 50):
        now = NOW + second
        seen = snapshot(of, [head(of)], now=now, refused=memory.refused.withheld(now))
        creates = [action for action in plan(seen).actions if isinstance(action, CreatePod)]
        memory.learn([create(action.template_hash) for action in creates], now)
        tries += len(creates)
    assert tries == 3600 / RETRY_SECONDS
    assert list(memory.refused.words) == [template_hash]
    assert 0 < (memory.refused.tried_in(NOW + 3550) or 0) <= RETRY_SECONDS


def test_a_template_that_is_accepted_later_is_not_held_against_the_spec() -> None:
    memory = ClusterMemory()
    memory.learn([create("a")], NOW)
    memory.learn([create("a", None)], NOW + RETRY_SECONDS)
    assert memory.refused.words == {}
    assert memory.refused.tried_in(NOW) is None


def test_until_the_next_try_the_last_accepted_template_is_used_and_the_fault_reported() -> None:
    """When a try is due, the stored one is used; the fault is reported until it is accepted."""
    good, bad = spec(group(replicas=3)), spec(group(replicas=3, template=template(image="")))
    words = {dict(template_hashes(cluster(bad), parsed(bad)))["gpu"]: "image: Required value"}
    proven = orjson.dumps(good)
    for withheld, image in ((words, "rayproject/ray:2.60.0"), ({}, "")):
        judgement = judge(cluster(bad), proven, proven, words, withheld)
        assert judgement.spec is not None
        acting = judgement.spec.worker_group_specs[0].template
        assert acting["spec"]["containers"][0]["image"] == image
        assert [violation.message for violation in judgement.violations] == ["image: Required value"]


def test_pods_that_are_there_are_left_alone_when_a_template_may_be_tried_again() -> None:
    """It is tried only when a pod is needed."""
    of = cluster(spec(group(replicas=1)))
    assert plan(snapshot(of, [head(of), worker(of, 1)])).actions == ()
