"""The demand that waits in all queues, its holds, and changes of sizes with their reasons."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling import (
    AutoscalingPolicy,
    Blocked,
    BlockedReason,
    Decision,
    GpuHeadroom,
    HoldKind,
    Memory,
    Waiting,
    Worker,
    WorkerGroup,
    decide,
)
from rayfleet.autoscaling.decision import RESOURCES
from rayfleet.autoscaling.limits import CeilingScope, CostCeilings, ScalingLimits
from rayfleet.fleet.scaling import FleetScaling
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.state import Demand, NodeStatus, RayState
from support.builders import NOW, UID, cluster, group, head, snapshot, spec, template, worker
from support.demand_cases import busy, pods, resources, state, tasks
from support.queued_clusters import GPU_TASK, node, scaled, view

GPU = WorkerGroup("gpu", resources(CPU=4, GPU=1, memory=16.0), max_replicas=10)
KEY = Key("RayCluster", "ml", "demo")
NO_HOLDS: frozenset[HoldKind] = frozenset()
NO_SCOPES: frozenset[CeilingScope] = frozenset()


def decided(ray: RayState, *groups: WorkerGroup, workers: Iterable[Worker] = (), **policy: Any) -> Decision:
    return decide(ray, groups, tuple(workers), AutoscalingPolicy(**policy), Memory(), now=NOW)


def amounts(values: Iterable[float]) -> dict[str, float]:
    """The amounts that are not 0, by resource."""
    return {name: value for name, value in zip(RESOURCES, values, strict=True) if value}


def test_an_empty_queue_waits_for_nothing() -> None:
    """Work with running nodes does not wait either."""
    there = busy("g0", GPU, GPU=1, CPU=4)
    for ray in (state(), state(tasks(1, GPU=1), nodes=[there])):
        assert decided(ray, replace(GPU, desired=1), workers=pods(there)).waiting == Waiting()


def test_work_whose_nodes_are_coming_waits_for_their_start() -> None:
    """The nodes may exist or be about to be created."""
    coming = Worker("g0", "gpu", NOW - 5)
    waiting = decided(state(tasks(3, GPU=1)), replace(GPU, desired=1), workers=[coming]).waiting
    assert (waiting.requests, waiting.reason) == (3, "Starting")
    assert amounts(waiting.demand) == {"GPU": 3}
    assert not waiting.kinds


def test_unserved_demand_counts_by_its_main_hold() -> None:
    """Ten of thirty get one; five more could never have any."""
    waiting = decided(state(tasks(30, GPU=1, memory=2.0), tasks(5, GPU=2, special=1)), GPU).waiting
    assert (waiting.requests, waiting.reason) == (25, "Max")
    assert amounts(waiting.demand) == {"GPU": 40, "memory": 60, "other": 5}
    assert amounts(waiting.infeasible) == {"GPU": 10, "other": 5}
    assert waiting.kinds == {HoldKind.MAX, HoldKind.INFEASIBLE}


def test_memory_of_the_object_store_is_not_counted_with_other_resources() -> None:
    """It is in bytes, unlike the others."""
    waiting = decided(state(tasks(1, GPU=1, object_store_memory=1e9)), GPU).waiting
    assert set(amounts(waiting.demand)) == {"GPU"}


def test_the_demand_of_one_cluster_is_bounded() -> None:
    """A head may ask for anything, and the demand of others must still be visible."""
    waiting = decided(state(tasks(10**9, CPU=1e18, GPU=1e18, TPU=1e18, memory=1e18, x=1e18)), GPU).waiting
    assert waiting.demand == waiting.infeasible == (1e6, 1e6, 1e6, float(1 << 50), 1e6)


@pytest.mark.parametrize(
    ("tasks_of", "floor_of", "requests", "gpus"),
    [(8, 8, 8, 8), (8, 5, 8, 8), (3, 9, 9, 9), (0, 4, 4, 4), (30, 40, 30, 40)],
)
def test_request_resources_is_a_floor_and_not_more_work(
    tasks_of: int, floor_of: int, requests: int, gpus: int
) -> None:
    """A program that also asks for the resources of its tasks does not wait twice."""
    asked = [tasks(count, GPU=1) for count in (tasks_of, floor_of)]
    work = asked[:1] if tasks_of else []
    waiting = decided(state(*work, constraints=[(asked[1],)]), GPU).waiting
    assert (waiting.requests, amounts(waiting.demand)) == (requests, {"GPU": gpus})


def test_infeasible_work_and_an_infeasible_floor_count_once_too() -> None:
    """The larger amount of each resource counts."""
    floor = (tasks(2, GPU=2, special=1),)
    waiting = decided(state(tasks(3, GPU=2), constraints=[floor]), GPU).waiting
    assert waiting.requests == 3
    assert amounts(waiting.demand) == amounts(waiting.infeasible) == {"GPU": 6, "other": 2}


def test_blocked_pods_count_as_held() -> None:
    """They do so while their work still counts on them."""
    stuck = Worker("g0", "gpu", NOW - 5, blocked=Blocked(BlockedReason.UNSCHEDULABLE, "no room", NOW - 5))
    waiting = decided(state(tasks(1, GPU=1)), replace(GPU, desired=1), workers=[stuck]).waiting
    assert (waiting.reason, *waiting.kinds) == ("Starting", HoldKind.BLOCKED)


@pytest.mark.parametrize(
    ("changes", "ray", "direction"),
    [
        ({}, state(tasks(2, GPU=1)), ("up", "demand")),
        ({"min_replicas": 2}, state(), ("up", "minimum")),
        ({"metric_replicas": 2}, state(), ("up", "metric")),
        ({"resized_to": 2}, state(), ("up", "replicas")),
        ({"min_replicas": 1}, state(tasks(2, GPU=1)), ("up", "demand")),
    ],
)
def test_growth_of_a_group_has_a_reason(
    changes: Mapping[str, Any], ray: RayState, direction: tuple[str, str]
) -> None:
    """The reason is one word, for a label."""
    made = decided(ray, replace(GPU, **changes)).group("gpu")
    assert (made.wanted, made.why_up) == (2, direction[1])


@pytest.mark.parametrize(
    ("changes", "idle", "why"),
    [
        ({}, 600.0, "idle"),
        ({"max_replicas": 0}, 1.0, "limit"),
        ({"resized_to": 0}, 1.0, "replicas"),
    ],
)
def test_a_smaller_size_of_a_group_has_a_reason(changes: Mapping[str, Any], idle: float, why: str) -> None:
    """So does one that had not started yet: see the tests of blocked pods."""
    there = replace(busy("g0", GPU, GPU=1), status=NodeStatus.IDLE, idle_seconds=idle)
    group_of = replace(GPU, desired=1, **changes)
    made = decided(state(nodes=[there]), group_of, workers=pods(there)).group("gpu")
    assert (made.wanted, made.why_down) == (0, why)


def test_the_fleet_is_the_sum_of_its_clusters() -> None:
    """The last pass over each counts; deleted clusters do not."""
    fleet = FleetScaling()
    one = Waiting(2, "Max", (1.0, 2.0, 0.0, 0.0, 0.0), kinds=frozenset({HoldKind.MAX}))
    two = one._replace(infeasible=(0.0, 1.0, 0.0, 0.0, 0.0))
    other = KEY._replace(name="other")
    for key, waiting in ((KEY, one), (other, one), (other, two)):
        fleet.note(key, UID, waiting, waiting.kinds, NO_SCOPES)
    assert amounts(fleet.demand().values()) == {"CPU": 2, "GPU": 4}
    assert amounts(fleet.infeasible().values()) == {"GPU": 1}
    assert fleet.holds()[HoldKind.MAX] == 2
    assert fleet.waiting(other, UID) == two
    assert fleet.waiting(other, "another") is None
    fleet.note(KEY, UID, None, NO_HOLDS, NO_SCOPES)
    assert fleet.waiting(KEY, UID) is None
    fleet.forget(other)
    assert not amounts(fleet.demand().values())
    assert set(fleet.holds()) == set(HoldKind)


def test_a_tenant_that_asked_for_everything_leaves_no_trace() -> None:
    """With amounts so far apart, a running sum would keep a rest."""
    fleet, other = FleetScaling(), KEY._replace(name="other")
    fleet.note(KEY, UID, Waiting(1, "Max", (0.1, 0.0, 0.0, 0.0, 0.0)), NO_HOLDS, NO_SCOPES)
    fleet.note(other, UID, Waiting(1, "Max", (1e18, 0.0, 0.0, 0.0, 0.0)), NO_HOLDS, NO_SCOPES)
    fleet.forget(other)
    assert fleet.demand()["CPU"] == 0.1


def test_a_ceiling_is_counted_when_it_begins_to_hold() -> None:
    """Further passes do not count it; another cluster of the same name does."""
    fleet, total = FleetScaling(), frozenset({CeilingScope.TOTAL})
    passes = ((UID, total), (UID, total), (UID, NO_SCOPES), (UID, total), ("another", total))
    for uid, scopes in passes:
        fleet.note(KEY, uid, None, frozenset({HoldKind.CEILING}), scopes)
    assert fleet.ceilings == dict.fromkeys(CeilingScope, 0) | {CeilingScope.TOTAL: 3}


def test_a_pass_counts_a_change_of_size_once() -> None:
    """The one after it starts from the size that was acted on."""
    of, accounts = scaled(), ClusterAccounts()
    for sizing in (Sizing(0, 0), Sizing(3, 0)):
        scaling = view([node(head(of))], Demand(GPU_TASK, 5), acted_on={"gpu": sizing})
        seen = snapshot(of, [head(of)], scaling=scaling)
        accounts.decided(seen, plan(seen))
    changed = {labels: count for labels, count in accounts.scaling.decisions.items() if count}
    assert changed == {("up", "demand"): 1}
    waiting = accounts.scaling.waiting(of.key, of.uid)
    assert waiting is not None
    assert (waiting.requests, waiting.reason) == (2, "Max")


def test_a_pass_that_ends_after_the_lease_was_lost_is_not_recorded() -> None:
    """Another leader has already decided about the cluster."""
    of, leading, now = scaled(), True, 0.0
    accounts = ClusterAccounts(clock=lambda: now, leading=lambda: leading)
    seen = snapshot(
        of, [head(of), worker(of, 1, gpus=1)], scaling=view([node(head(of))], Demand(GPU_TASK, 5))
    )
    accounts.admitted(seen)
    leading = False
    accounts.forget_all()
    accounts.admitted(seen)
    accounts.decided(seen, plan(seen))
    assert not any(accounts.scaling.decisions.values())
    assert not any(accounts.scaling.holds().values())
    leading, now = True, 3600.0
    assert accounts.gpu_seconds(of.key, of.uid, seen.pods, None).allocated == 0


def test_the_initial_size_of_a_spec_does_not_count_as_a_decision() -> None:
    """Nor does the size of pods that another operator has left."""
    accounts = ClusterAccounts()
    for of, there in ((scaled(group={"replicas": 2}), ()), (scaled(), (1, 2))):
        members = [head(of), *(worker(of, at) for at in there)]
        seen = snapshot(of, members, scaling=view(map(node, members), acted_on={}))
        accounts.decided(seen, plan(seen))
    assert not any(accounts.scaling.decisions.values())


def test_a_drain_that_ray_refused_is_a_size_that_goes_up_again() -> None:
    """It has its own reason, because nothing has asked for more."""
    of, accounts = scaled(), ClusterAccounts()
    there = [head(of), worker(of, 1)]
    seen = snapshot(of, there, scaling=view(map(node, there), acted_on={"gpu": Sizing(0, 0)}))
    accounts.decided(seen, plan(seen))
    assert accounts.scaling.decisions["up", "other"] == 1


def test_an_unknown_queue_has_no_series() -> None:
    """Unknown is not zero."""
    of, accounts = scaled(), ClusterAccounts()
    known = view([node(head(of))], Demand(GPU_TASK, 5))
    for scaling in (known, replace(known, ray=replace(known.ray, trouble="the head does not answer"))):
        seen = snapshot(of, [head(of)], scaling=scaling)
        accounts.decided(seen, plan(seen))
    assert accounts.scaling.waiting(of.key, of.uid) is None


def test_a_cluster_of_fixed_size_may_be_held_too() -> None:
    """A ceiling may hold it, or an API server that refuses its pods."""
    of, accounts = cluster(spec(group("gpu", 4, template=template(gpu="1")))), ClusterAccounts()
    limits = ScalingLimits(ceilings=CostCeilings(gpus_total=2, gpus_per_namespace=9))
    scaling = replace(snapshot(of).scaling, limits=limits)
    seen = snapshot(of, [head(of)], scaling=scaling, held={"gpu": Hold(NOW + 5, "exceeded quota")})
    # A held group creates nothing, so a ceiling has nothing to hold.
    accounts.decided(seen, plan(seen))
    assert accounts.scaling.holds()[HoldKind.BLOCKED] == 1
    seen = snapshot(of, [head(of)], scaling=scaling)
    accounts.decided(seen, plan(seen))
    assert accounts.scaling.holds()[HoldKind.CEILING] == 1
    assert accounts.scaling.ceilings == dict.fromkeys(CeilingScope, 0) | {CeilingScope.TOTAL: 1}
    assert accounts.scaling.waiting(of.key, of.uid) is None


def test_a_ceiling_that_holds_the_growth_of_a_queue_is_named_by_its_scope() -> None:
    """The message names it among those that leave room."""
    of, accounts = scaled(), ClusterAccounts()
    limits = ScalingLimits(ceilings=CostCeilings(gpus_total=99, gpus_per_cluster=1, gpus_per_namespace=9))
    scaling = view([node(head(of))], Demand(GPU_TASK, 5), limits=limits)
    seen = snapshot(of, [head(of)], scaling=scaling)
    accounts.decided(seen, plan(seen))
    assert accounts.scaling.ceilings == dict.fromkeys(CeilingScope, 0) | {CeilingScope.CLUSTER: 1}


def test_a_ceiling_on_new_gpus_spreads_growth_over_time() -> None:
    """It is a rate with a scope."""
    ceiling = GpuHeadroom("at most 1 new GPUs per minute in total", 1)
    waiting = decided(state(tasks(3, GPU=1)), GPU, new_gpus=ceiling).waiting
    assert HoldKind.RATE in waiting.kinds
    of, accounts = scaled(), ClusterAccounts()
    limits = ScalingLimits(ceilings=CostCeilings(new_gpus_per_minute=1))
    seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 3), limits=limits))
    accounts.decided(seen, plan(seen))
    held = {scope for scope, count in accounts.scaling.ceilings.items() if count}
    assert held == {CeilingScope.TOTAL_PER_MINUTE}
