"""A spec is judged when it changes, not in every pass."""

from rayfleet.memory import ClusterMemory
from support.builders import NOW, UID, group, spec
from support.passes import passes

ODD = {"CPU": "four"}


async def test_a_spec_with_a_group_at_fault_is_judged_once() -> None:
    """Its other groups go on, each second: to parse it takes longer than all else that such a pass does."""
    async with passes() as bed:
        bed.stored(spec(group("odd", resources=ODD), group("fine")))
        memory = ClusterMemory(UID)
        first, second = (bed.view.snapshot(bed.cluster, memory, None, NOW + n) for n in (0, 1))
        assert list(first.withheld) == ["odd"]
        assert second.spec is first.spec


async def test_a_group_at_fault_is_judged_anew_when_an_earlier_definition_is_known() -> None:
    """Then it goes on as it was, and is withheld no longer."""
    async with passes() as bed:
        bed.stored(spec(group("odd", resources=ODD)))
        memory = ClusterMemory(UID)
        assert bed.view.snapshot(bed.cluster, memory, None, NOW).withheld
        bed.stored(spec(group("odd", resources={"CPU": "4"})), version=1001)
        memory.last_valid = bed.clusters.stored_spec(bed.cluster.key)
        bed.stored(spec(group("odd", resources=ODD)), version=1002)
        after = bed.view.snapshot(bed.cluster, memory, None, NOW)
        assert after.spec is not None
        assert (dict(after.withheld), after.spec.worker_group_specs[0].resources) == ({}, {"CPU": "4"})
