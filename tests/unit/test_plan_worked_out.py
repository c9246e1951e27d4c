"""Results that one plan computes from a spec serve the next one, and never another cluster or spec."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.manifests import worker_pods
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import CreatePod, Plan, plan
from rayfleet.kinds.raycluster.plan.ceilings import gpus_of_each
from rayfleet.kinds.raycluster.pod_settings import PodSettings
from support.builders import NOW, group, spec, template
from support.passes import Passes, passes


def bodies(planned: Plan) -> Iterator[Mapping[str, Any]]:
    """The bodies of the workers that are made."""
    for stage in planned.stages:
        yield from (a.body for a in stage if isinstance(a, CreatePod) and a.node_type == "worker")


def planned_of(bed: Passes, memory: ClusterMemory) -> Plan:
    return plan(bed.view.snapshot(bed.cluster, memory, None, NOW))


async def test_the_pods_of_a_group_are_built_once_for_all_plans_of_one_spec(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pass plans before and after it has read its cluster; another spec has others."""
    built = []

    def counted(*given: Any) -> object:
        built.append(given)
        return worker_pods(*given)

    monkeypatch.setattr("rayfleet.kinds.raycluster.plan.units.worker_pods", counted)
    async with passes() as bed:
        bed.stored(spec(group("a", 2)))
        memory = ClusterMemory()
        first, second = planned_of(bed, memory), planned_of(bed, memory)
        assert (first, len(built)) == (second, 1)
        bed.stored(spec(group("a", 2, template=template(cpu="7"))), version=1001)
        (one, _) = bodies(planned_of(bed, memory))
        assert one["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "7"


async def test_a_recreated_cluster_of_the_same_name_has_its_own_pods() -> None:
    """Its spec is the same, but its uid differs."""
    async with passes() as bed:
        bed.stored(spec(group("a", 1)))
        before = bed.cluster
        seen = bed.view.snapshot(before, ClusterMemory(), None, NOW)
        again = replace(seen, cluster=replace(before, uid="another"))
        (old,), (new,) = bodies(plan(seen)), bodies(plan(again))
        owners = [body["metadata"]["ownerReferences"][0]["uid"] for body in (old, new)]
        assert owners == [before.uid, "another"]
        assert old["metadata"]["name"] != new["metadata"]["name"]


async def test_pods_are_built_by_the_current_settings() -> None:
    """A refusal may have set the size of the wait container."""
    async with passes() as bed:
        bed.stored(spec(group("a", 1)))
        seen = bed.view.snapshot(bed.cluster, ClusterMemory(), None, NOW)
        without = replace(seen, pod_settings=PodSettings(waits=False))
        (usual,), (bare,) = bodies(plan(seen)), bodies(plan(without))
        assert "initContainers" in usual["spec"]
        assert "initContainers" not in bare["spec"]


async def test_unsupported_settings_depend_on_the_existing_head() -> None:
    """A store of the head's state withholds only clusters without a head."""
    async with passes() as bed:
        bed.stored(spec(group("a", 1), gcsFaultToleranceOptions={"redisAddress": "redis:6379"}))
        seen = bed.view.snapshot(bed.cluster, ClusterMemory(), None, NOW)
        recorded = replace(seen.cluster, status={"head": {"podName": "demo-head"}})
        assert plan(seen).withheld
        assert not plan(replace(seen, cluster=recorded)).withheld
        assert plan(seen).withheld


async def test_gpus_are_those_of_the_spec_that_counts_when_labels_change() -> None:
    """Within one generation a label may invalidate a spec, and its removal repair it."""
    of_service = {"ray.io/originated-from-crd": "RayService"}
    async with passes() as bed:
        memory = ClusterMemory()
        bed.stored(spec(group("a", 1, template=template(gpu="1"))))
        assert gpus_of_each(bed.view.snapshot(bed.cluster, memory, None, NOW)) == {"headgroup": 0, "a": 1}
        memory.last_valid = bed.clusters.stored_spec(bed.cluster.key)
        after = spec(group("b", 1, template=template(gpu="4")), upgradeStrategy={"type": "Recreate"})
        bed.stored(after, version=2000, generation=2, labels=of_service)
        at_fault = bed.view.snapshot(bed.cluster, memory, None, NOW)
        assert gpus_of_each(at_fault) == {"headgroup": 0, "a": 1}
        bed.stored(after, version=2001, generation=2, labels={})
        assert gpus_of_each(bed.view.snapshot(bed.cluster, memory, None, NOW)) == {"headgroup": 0, "b": 4}
