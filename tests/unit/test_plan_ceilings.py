"""Ceilings on GPUs hold for every source of pods, and held pods are reported."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling.limits import Ceiling, CeilingScope, CostCeilings, NamespaceCeilings, ScalingLimits
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.kinds.raycluster.plan import AdvanceHeadEpoch, CreateService, Plan, plan
from rayfleet.kinds.raycluster.plan.ceilings import COUNTING_SECONDS, within_ceilings
from rayfleet.kinds.raycluster.plan.ray_report import ray_report
from rayfleet.kinds.raycluster.scaling_view import ScalingView
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kube.objects.roots import Root
from support.builders import cluster, group, head, snapshot, spec, template, worker
from support.queued_clusters import creates, scaled, view

CPUS = template(cpu="4")


def under(of: Root, *pods: Any, usage: GpuUsage | None = None, **ceilings: int) -> Snapshot:
    """The cluster with these pods under these ceilings."""
    limits = ScalingLimits(ceilings=CostCeilings(**ceilings))
    return snapshot(of, pods, scaling=ScalingView(limits=limits, usage=usage or GpuUsage()))


def made(decided: Plan) -> dict[str, int]:
    """The number of creates by group."""
    return dict(Counter(create.group for create in creates(decided)))


def gpus(name: str = "gpu", replicas: int = 0, count: str = "1", **fields: Any) -> dict[str, Any]:
    return group(name, replicas, template=template(gpu=count), **fields)


@pytest.mark.parametrize(
    "asks",
    [
        pytest.param(gpus(replicas=9), id="replicas"),
        pytest.param(gpus(minReplicas=9), id="minReplicas"),
        pytest.param(gpus(replicas=9) | {"rayStartParams": {"num-gpus": "0"}}, id="num-gpus 0"),
        pytest.param(group("gpu", 9, rayStartParams={"num-gpus": "1"}), id="in the start parameters alone"),
        pytest.param(group("gpu", 9, resources={"GPU": "1"}), id="resources of the group"),
        pytest.param(group("gpu", 9, template=template(**{"google.com/tpu": "1"})), id="TPU"),
        pytest.param(group("gpu", 9, template=template(**{"habana.ai/gaudi": "1"})), id="Gaudi"),
        pytest.param(group("gpu", 9, template=template(**{"nvidia.com/mig-1g.5gb": "1"})), id="MIG"),
        pytest.param(
            group(
                "gpu",
                9,
                template={
                    "spec": {
                        "containers": [
                            {"name": "ray"},
                            {"name": "beside", "resources": {"limits": {"nvidia.com/gpu": "1"}}},
                        ]
                    }
                },
            ),
            id="a container beside Ray's",
        ),
    ],
)
def test_a_cluster_of_fixed_size_gets_no_more_than_the_ceiling(asks: dict[str, Any]) -> None:
    """Pods beyond it wait with a reason; pods without GPUs are created."""
    of = cluster(spec(asks, group("cpu", 2, template=CPUS)))
    decided = plan(under(of, head(of), gpus_per_cluster=4))
    assert made(decided) == {"gpu": 4, "cpu": 2}
    words = "5 pods of gpu wait for 5 GPUs: at most 4 GPUs of the cluster (ceilings.gpusPerCluster of the"
    assert [wait for wait in decided.waits if wait.startswith(words)]
    assert decided.requeue_after is not None


def test_first_sizes_of_a_cluster_that_follows_its_queue_are_held_as_well() -> None:
    """The decision reports it, and held pods do not count as capacity on its way."""
    of = cluster(spec(gpus(replicas=9), enableInTreeAutoscaling=True))
    limits = ScalingLimits(ceilings=CostCeilings(gpus_per_cluster=4))
    decided = plan(snapshot(of, [head(of)], scaling=view([], limits=limits, acted_on={})))
    assert made(decided) == {"gpu": 4}
    assert decided.decision is not None
    assert "5 replicas of gpu wait: at most 4 GPUs of the cluster" in decided.decision.group("gpu").reason


@pytest.mark.parametrize(("ceiling", "launches"), [(4, [("gpu", 4)]), (0, []), (9, [("gpu", 9)])])
def test_ray_does_not_expect_held_pods(ceiling: int, launches: list[tuple[str, int]]) -> None:
    """Otherwise `ray status` would show launches that do not happen."""
    of = cluster(spec(gpus(replicas=9), enableInTreeAutoscaling=True))
    limits = ScalingLimits(ceilings=CostCeilings(gpus_per_cluster=ceiling))
    seen = snapshot(of, [head(of)], scaling=view([], limits=limits, acted_on={}))
    decided = plan(seen)
    assert seen.spec is not None
    assert decided.decision is not None
    report = ray_report(seen, seen.spec, decided.decision, dict(decided.held))
    assert [(launch.group, launch.count) for launch in report.launches] == launches


def test_an_added_group_gets_the_remaining_room() -> None:
    """Existing pods count first, also those of a removed group."""
    of = cluster(spec(gpus("old", 2), gpus("new", 3, "2")))
    gone = [worker(of, n, group_name="removed", gpus=1) for n in range(2)]
    there = [head(of), *(worker(of, n, group_name="old") for n in range(2)), *gone]
    assert made(plan(under(of, *there, gpus_per_cluster=7))) == {"new": 1}


def test_the_head_counts_and_without_it_no_worker_is_created() -> None:
    """Workers would only wait for it, on GPUs that others could use."""
    of = cluster(spec(gpus(replicas=2)) | {"headGroupSpec": {"template": template(gpu="2")}})
    assert made(plan(under(of, gpus_per_cluster=3))) == {"headgroup": 1, "gpu": 1}
    held = plan(under(of, gpus_per_cluster=1))
    assert made(held) == {}
    assert held.waits[0].startswith("the head waits for 2 GPUs: at most 1 GPUs of the cluster")
    ended = head(of, phase="Failed")
    again = plan(under(replace(of, status={"head": {"podName": ended.name}}), ended, gpus_per_cluster=1))
    assert not any(isinstance(action, AdvanceHeadEpoch) for action in again.actions)


def test_the_service_of_a_held_head_is_created() -> None:
    """A Service costs nothing."""
    of = cluster(spec(gpus()) | {"headGroupSpec": {"template": template(gpu="2")}})
    decided = plan(replace(under(of, gpus_per_cluster=1), services=()))
    assert [type(action) for action in decided.actions] == [CreateService]


def test_a_multi_host_replica_is_created_whole_or_held_whole() -> None:
    """Seven GPUs are three replicas of two."""
    of = cluster(spec(gpus("tpu", 5, numOfHosts=2)))
    decided = plan(snapshot(of, [head(of)], headless=True, scaling=under(of, gpus_per_cluster=7).scaling))
    assert made(decided) == {"tpu": 6}


def test_terminating_pods_hold_their_gpus_until_they_are_gone() -> None:
    """Ended pods hold none."""
    of = cluster(spec(gpus(replicas=3)))
    leaving, ended = worker(of, 1, deleting=True), worker(of, 2, phase="Failed", deleting=True)
    assert made(plan(under(of, head(of), leaving, ended, gpus_per_cluster=3))) == {"gpu": 2}


def test_a_higher_priority_gets_its_gpus_first() -> None:
    """Whatever the order in the spec."""
    fields = {"rayVersion": "2.60.0", "enableInTreeAutoscaling": True}
    of = cluster(spec(gpus("a", 3), gpus("b", 3, priority=5), **fields))
    limits = ScalingLimits(ceilings=CostCeilings(gpus_per_cluster=4))
    seen = snapshot(of, [head(of)], scaling=view([], limits=limits, acted_on={}))
    assert made(plan(seen)) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("usage", "ceilings", "left", "named"),
    [
        ({"namespace": 6}, {"gpus_per_namespace": 8}, 2, "at most 8 GPUs in the namespace"),
        ({"total": 97}, {"gpus_total": 100}, 3, "at most 100 GPUs in total"),
        ({"new_in_total": 4}, {"new_gpus_per_minute": 5}, 1, "at most 5 new GPUs per minute in total"),
        ({"total": 1, "complete": False}, {"gpus_total": 100}, 0, "not all clusters are counted yet"),
        (
            {"complete": False, "complete_in_namespace": False},
            {"gpus_per_namespace": 8},
            0,
            "not all clusters are counted yet",
        ),
        ({"complete": False}, {"gpus_per_namespace": 8}, 8, "at most 8 GPUs in the namespace"),
        ({"own": 4, "new_in_total": 5}, {"new_gpus_per_minute": 5}, 4, "at most 5 new GPUs per minute"),
    ],
)
def test_gpus_of_others_and_those_added_within_a_minute_count(
    usage: dict[str, Any], ceilings: dict[str, int], left: int, named: str
) -> None:
    """They count for a cluster of fixed size as well; a replacement of a pod is not new."""
    of = cluster(spec(gpus(replicas=9)))
    decided = plan(under(of, head(of), usage=GpuUsage(renewed_in=7.0, **usage), **ceilings))
    assert made(decided).get("gpu", 0) == left
    assert named in decided.waits[0]
    if "per minute" in named:
        assert decided.requeue_after == 7.0
    if "not all" in named:
        assert decided.requeue_after == COUNTING_SECONDS


def test_ceilings_of_the_namespace_hold_and_are_named() -> None:
    """The message names the annotation."""
    of = cluster(spec(gpus(replicas=9)))
    annotated = NamespaceCeilings((Ceiling(CeilingScope.NAMESPACE, 2, "annotation x of the namespace"),))
    seen = snapshot(of, [head(of)], scaling=ScalingView(namespace_ceilings=annotated))
    decided = plan(seen)
    assert made(decided) == {"gpu": 2}
    conditions = compute_status(seen, decided, ())["conditions"]
    ready = next(one["message"] for one in conditions if one["type"] == "Ready")
    words = "at most 2 GPUs in the namespace (annotation x of the namespace)"
    assert f"7 pods of gpu wait for 7 GPUs: {words}" in ready


def test_a_plan_that_passed_the_ceilings_passes_again() -> None:
    """The filter runs once more once the room of others is known."""
    of = cluster(spec(gpus(replicas=9)))
    seen = under(of, head(of), gpus_per_cluster=4)
    once = plan(seen)
    assert within_ceilings(seen, once) == once


def test_a_cluster_without_gpus_is_not_filtered() -> None:
    """The ceilings do not matter."""
    of = cluster(spec(group("cpu", 3, template=CPUS)))
    decided = plan(under(of, head(of), gpus_per_cluster=0, gpus_total=0))
    assert (made(decided), decided.waits, decided.held_gpus) == ({"cpu": 3}, (), 0)


def test_a_missing_worker_under_a_full_ceiling_frees_other_groups_for_its_work() -> None:
    """CPU tasks do not wait for a GPU node that may not be created."""
    of = scaled(group={"maxReplicas": 9, "replicas": 3})
    assert made(plan(snapshot(of, [head(of)], scaling=view([], acted_on={})))) == {"gpu": 3}
