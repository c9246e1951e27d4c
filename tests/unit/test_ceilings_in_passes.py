"""Ceilings on GPUs in whole passes: they are read before GPUs are requested, and room is used once."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling.limits import CostCeilings, ScalingLimits
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.manifests import worker_pods
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.plan.ceilings import gpus_of_creates
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root, root_from_object
from support.builders import UID, group, parsed, raycluster, spec, template
from support.passes import CLUSTER, KEY, PODS, Passes, passes
from support.wire import fails

NAMESPACE = "/api/v1/namespaces/ml"


def with_gpus(replicas: int) -> dict[str, Any]:
    return spec(group("gpu", replicas, template=template(gpu="1")))


def cluster_of(bed: Passes, key: Key) -> Root:
    found = bed.clusters.get(key)
    assert found is not None
    return found


def annotate(bed: Passes, gpus: str) -> None:
    annotations = {"rayfleet.io/max-gpus": gpus}
    bed.api.there[NAMESPACE] = {"metadata": {"name": "ml", "annotations": annotations}}


def workers(bed: Passes) -> int:
    bodies = bed.api.bodies("POST", PODS)
    return sum(body["metadata"]["labels"]["ray.io/node-type"] == "worker" for body in bodies)


async def test_a_cluster_of_fixed_size_is_held_by_the_annotation_of_its_namespace() -> None:
    """Already in its first pass, with one read of the namespace."""
    async with passes() as bed:
        annotate(bed, "2")
        bed.stored(with_gpus(5), born=True)
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 2
        assert bed.api.asked.count(f"GET {NAMESPACE}") == 1


async def test_a_cluster_without_gpus_does_not_read_its_namespace() -> None:
    """It costs no further call."""
    async with passes() as bed:
        annotate(bed, "0")
        bed.stored(spec(group("cpu", 2, template=template(cpu="1"))), born=True)
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 2
        assert f"GET {NAMESPACE}" not in bed.api.asked


async def test_while_the_namespace_cannot_be_read_no_gpu_is_requested() -> None:
    """An unknown limit is not a missing one."""
    async with passes() as bed:
        bed.api.answers["GET", NAMESPACE] = fails(500, "InternalError", "not now")
        bed.stored(with_gpus(5), born=True)
        done = await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 0
        assert done.requeue_after is not None  # type: ignore[union-attr]  # no failure of the pass
        annotate(bed, "9")
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 5


async def test_two_decisions_made_side_by_side_do_not_spend_the_same_room() -> None:
    """Both were made while there was room for either."""
    async with passes() as bed:
        limits = ScalingLimits(ceilings=CostCeilings(gpus_total=4, new_gpus_per_minute=9))
        view = replace(bed.view, scaling=replace(bed.view.scaling, limits=limits))
        annotate(bed, "99")
        found = []
        for number, name in enumerate(("one", "two")):
            obj = raycluster(name, spec_fields=with_gpus(3))
            obj["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": f"{900 + number}", "generation": 1}
            bed.clusters.apply(obj)
            cluster, memory = root_from_object(obj, "RayCluster"), ClusterMemory()
            memory.namespace_ceilings = await view.scaling.ceilings.read("ml")
            seen = view.snapshot(cluster, memory, None, bed.now)
            found.append((seen, plan(seen), memory))
        assert [gpus_of_creates(planned, {"gpu": 1}) for _, planned, _ in found] == [3, 3]
        admitted = [view.scaling.admit(seen, planned) for seen, planned, _ in found]
        assert [gpus_of_creates(planned, {"gpu": 1}) for planned in admitted] == [3, 1]
        assert "2 pods of gpu wait for 2 GPUs: at most 4 GPUs in total" in admitted[1].waits[0]


async def test_one_sentence_counts_the_waiting_pods_though_room_shrank_meanwhile() -> None:
    """A plan is filtered once more by what others have taken since it was made."""
    async with passes() as bed:
        limits = ScalingLimits(ceilings=CostCeilings(gpus_total=4))
        view = replace(bed.view, scaling=replace(bed.view.scaling, limits=limits))
        bed.stored(with_gpus(6))
        bed.head()
        memory = ClusterMemory()
        annotate(bed, "99")
        memory.namespace_ceilings = await view.scaling.ceilings.read("ml")
        seen = view.snapshot(bed.cluster, memory, None, bed.now)
        view.scaling.ledger.note(Key("RayCluster", "ml", "another"), 3)
        admitted = view.scaling.admit(seen, plan(seen))
        (wait,) = [wait for wait in admitted.waits if "GPU" in wait]
        assert wait.startswith("5 pods of gpu wait for 5 GPUs: at most 4 GPUs in total")
        assert (admitted.held, admitted.held_gpus) == ((("gpu", 5),), 5)


async def test_gpus_that_a_quota_refuses_are_room_for_others() -> None:
    """They do not count towards what may be added within a minute."""
    async with passes() as bed:
        bed.stored(with_gpus(1), born=True)
        annotate(bed, "9")
        bed.head()
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", "exceeded quota: gpus")
        await bed.reconciler.reconcile(KEY)
        usage = bed.view.scaling.ledger.usage(KEY)
        assert (usage.own, usage.new_in_total) == (0, 0)


def under_a_ceiling(bed: Passes, gpus: int) -> None:
    """An operator with a ceiling that all clusters share."""
    limits = ScalingLimits(ceilings=CostCeilings(gpus_total=gpus))
    bed.begin(limits)
    bed.api.there[NAMESPACE] = {"metadata": {"name": "ml"}}


async def test_a_cluster_whose_passes_all_fail_keeps_no_gpu_from_others() -> None:
    """Its existing pods still count."""
    async with passes() as bed:
        under_a_ceiling(bed, 4)
        bed.stored(with_gpus(1), name="bad", uid="uid-bad")
        bad = Key("RayCluster", "ml", "bad")
        body = worker_pods(
            cluster_of(bed, bad), parsed(with_gpus(1)), parsed(with_gpus(1)).worker_group_specs[0]
        )
        pod = body.named(1)
        own = {"uid": "p", "resourceVersion": "1500", "creationTimestamp": "2026-01-01T00:00:00Z"}
        bed.show({**pod, "metadata": {**pod["metadata"], **own}, "status": {"phase": "Running"}})
        bed.stored(with_gpus(9), born=True)

        def failing(seen: Snapshot) -> Plan:
            if seen.cluster.key == bad:
                raise OverflowError
            return plan(seen, seen.scaling.memory)

        bed.decide = failing
        with pytest.raises(OverflowError):
            await bed.reconciler.reconcile(bad)
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 3


async def test_a_recreated_cluster_waits_for_the_gpus_of_its_predecessor() -> None:
    """Those pods may take a day to end, and it waits no longer than they do."""
    async with passes() as bed:
        under_a_ceiling(bed, 3)
        bed.stored(with_gpus(2))
        old = [bed.worker(index, deletionTimestamp="2026-01-01T00:00:00Z") for index in (1, 2)]
        bed.clusters.remove(KEY, UID)
        await bed.reconciler.reconcile(KEY)
        bed.stored(with_gpus(3), uid="another", version=2000, born=True)
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 1
        for pod in old:
            bed.pods.remove("ml", pod["metadata"]["name"], pod["metadata"]["uid"])
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 3


async def test_gpus_are_requested_only_after_the_cluster_itself_was_read() -> None:
    """The first plan of a process holds every GPU, because its view may be old."""
    async with passes() as bed:
        annotate(bed, "9")
        bed.stored(with_gpus(2))
        bed.head()
        await bed.reconciler.reconcile(KEY)
        assert workers(bed) == 2
        asked = bed.api.asked
        assert asked.index(f"GET {CLUSTER}") < asked.index(f"POST {PODS}")
