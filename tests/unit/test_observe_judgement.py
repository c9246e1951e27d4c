"""A spec is judged when it changes, not in every pass."""

from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.refusals import RETRY_SECONDS
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.validity import template_hashes
from support.builders import NOW, group, raycluster, spec
from support.passes import KEY, passes

ODD = {"CPU": "four"}


async def test_a_spec_with_a_group_at_fault_is_judged_once() -> None:
    """Its other groups get a pass each second, and parsing takes longer than the rest of such a pass."""
    async with passes() as bed:
        bed.stored(spec(group("odd", resources=ODD), group("fine")))
        memory = ClusterMemory()
        first, second = (bed.view.snapshot(bed.cluster, memory, None, NOW + n) for n in (0, 1))
        assert list(first.withheld) == ["odd"]
        assert _of_one_judgement(first, second)


async def test_a_group_at_fault_is_judged_again_when_an_earlier_definition_is_known() -> None:
    """Then it continues with that definition, and is no longer withheld."""
    async with passes() as bed:
        bed.stored(spec(group("odd", resources=ODD)))
        memory = ClusterMemory()
        assert bed.view.snapshot(bed.cluster, memory, None, NOW).withheld
        bed.stored(spec(group("odd", resources={"CPU": "4"})), version=1001)
        memory.last_valid = bed.clusters.stored_spec(bed.cluster.key)
        bed.stored(spec(group("odd", resources=ODD)), version=1002)
        after = bed.view.snapshot(bed.cluster, memory, None, NOW)
        assert after.spec is not None
        assert (dict(after.withheld), after.spec.worker_group_specs[0].resources) == ({}, {"CPU": "4"})


async def test_a_spec_with_a_refused_template_is_judged_once_until_something_is_refused_or_tried() -> None:
    """Hashing the templates of a hundred groups takes a quarter of a second on the loop."""
    async with passes() as bed:
        bed.stored(spec(group("odd"), group("fine")))
        memory = ClusterMemory()
        before = bed.view.snapshot(bed.cluster, memory, None, NOW)
        assert before.spec is not None
        hashes = dict(template_hashes(bed.cluster, before.spec))
        memory.refused.note(hashes["odd"], "no such field", NOW)
        first, second = (bed.view.snapshot(bed.cluster, memory, None, NOW + n) for n in (0, 1))
        assert [violation.group for violation in first.violations] == ["odd"]
        assert _of_one_judgement(first, second)
        assert not _of_one_judgement(before, first)
        assert not _of_one_judgement(first, bed.view.snapshot(bed.cluster, memory, None, NOW + RETRY_SECONDS))
        memory.refused.note(hashes["fine"], "no such image", NOW)
        last = bed.view.snapshot(bed.cluster, memory, None, NOW)
        assert [violation.group for violation in last.violations] == ["odd", "fine"]
        memory.refused.clear()
        assert not bed.view.snapshot(bed.cluster, memory, None, NOW).violations


async def test_a_spec_that_broke_no_rule_is_checked_again_with_other_labels() -> None:
    """A rule may be about labels; without a change nothing is checked again."""
    async with passes() as bed:
        bed.stored(spec(group(), upgradeStrategy={"type": "Recreate"}))
        memory = ClusterMemory()
        memory.last_valid = bed.clusters.stored_spec(KEY)
        memory.valid_with = bed.cluster.labels, bed.cluster.annotations
        assert not bed.view.snapshot(bed.cluster, memory, None, NOW).violations
        bed.stored(
            spec(group(), upgradeStrategy={"type": "Recreate"}),
            version=9000,
            labels={"ray.io/originated-from-crd": "RayJob"},
        )
        after = bed.view.snapshot(bed.cluster, memory, None, NOW)
        assert [violation.path for violation in after.violations] == ["spec.upgradeStrategy"]


async def test_clusters_of_one_template_are_judged_each() -> None:
    """They share the parsed spec, but a rule may be about the name."""
    async with passes() as bed:
        bed.stored(spec(group()))
        name = "x" * 80
        made = raycluster(name, spec_fields=spec(group()))
        bed.clusters.apply({**made, "metadata": {**made["metadata"], "uid": "other", "resourceVersion": "5"}})
        other = bed.clusters.get(KEY._replace(name=name))
        assert other is not None
        first, second = (bed.view.snapshot(each, ClusterMemory(), None, NOW) for each in (bed.cluster, other))
        assert not first.violations
        assert [violation.path for violation in second.violations] == ["metadata.name"]


def _of_one_judgement(one: Snapshot, other: Snapshot) -> bool:
    """Results that plans compute from a judgement are kept with it."""
    return one.worked_out is other.worked_out
