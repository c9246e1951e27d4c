"""Multi-host replicas with unequal hosts: one host of a TPU slice is its head."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling import AutoscalingPolicy, Decision, Memory, Worker, WorkerGroup, decide
from rayfleet.kinds.raycluster.plan.learned import learned
from rayfleet.kinds.raycluster.plan.scaling import group_of
from rayfleet.ray.state import Gang, LabelConstraint, RayNode, RayState, Strategy
from support.builders import group, parsed, spec, template
from support.demand_cases import node, resources, state, tasks

HEAD = "TPU-v4-16-head"
SELECTOR = {
    "cloud.google.com/gke-tpu-accelerator": "tpu-v4-podslice",
    "cloud.google.com/gke-tpu-topology": "2x2x2",
}
SLICE = WorkerGroup(
    "slice", resources(CPU=8, TPU=4), num_of_hosts=2, max_replicas=9, first_host=resources(**{HEAD: 1})
)
HEAD_TASK: dict[str, float] = {HEAD: 1}


def manifest(**fields: Any) -> WorkerGroup:
    """A group of slices as a user writes it."""
    made = template(cpu="8", **{"google.com/tpu": "4"})
    made["spec"]["nodeSelector"] = SELECTOR
    entry = group("slice", 0, **{"numOfHosts": 2, "maxReplicas": 9, "template": made, **fields})
    return group_of(parsed(spec(entry)).worker_group_specs[0], 60)


def slices(count: int, *, free: bool = False) -> tuple[list[RayNode], list[Worker]]:
    """Running slices, busy or free."""
    nodes, workers = [], []
    for number in range(count):
        for host in range(2):
            name = f"s{number}-{host}"
            total = resources(CPU=8, TPU=4, **({HEAD: 1} if host == 0 else {}), **{f"slice-{number}": 1})
            nodes.append(node(name, "slice", total, available=total if free else resources(CPU=8)))
            workers.append(Worker(name, "slice", 0.0, replica=f"s{number}"))
    return nodes, workers


def decided(ray: RayState, of: WorkerGroup, workers: Iterable[Worker] = ()) -> Decision:
    return decide(ray, [of], tuple(workers), AutoscalingPolicy(), Memory(), now=1000)


@pytest.mark.parametrize("of", [pytest.param(SLICE, id="group"), pytest.param(manifest(), id="manifest")])
@pytest.mark.parametrize("asked", [1, 3])
def test_each_requested_slice_is_one_replica(of: WorkerGroup, asked: int) -> None:
    """Each slice has one head resource; its other hosts serve the rest of the work."""
    assert decided(state(tasks(asked, **HEAD_TASK)), of).group("slice").wanted == asked
    whole = state(tasks(asked, **HEAD_TASK), tasks(2 * asked, TPU=4))
    assert decided(whole, of).group("slice").wanted == asked


def test_slices_are_started_beside_busy_ones() -> None:
    """Their resources are known from the manifest, or from the running slices."""
    nodes, workers = slices(2)
    known = learned(state(nodes=nodes), {worker.name: worker.replica for worker in workers})["slice"]
    assert dict(known.first_host) == {HEAD: 1}, "without names of single slices"
    assert HEAD not in dict(known.resources)
    plain = template(cpu="8", **{"google.com/tpu": "4"})
    entry = parsed(spec(group("slice", 2, numOfHosts=2, maxReplicas=9, template=plain))).worker_group_specs[0]
    for of in (manifest(), group_of(entry, 60, known)):
        ray = state(tasks(3, **HEAD_TASK), tasks(6, TPU=4), nodes=nodes)
        assert decided(ray, replace(of, desired=2), workers).group("slice").wanted == 5


def test_a_slice_with_a_free_head_is_used() -> None:
    nodes, workers = slices(1, free=True)
    ray = state(tasks(1, **HEAD_TASK), tasks(1, TPU=4), nodes=nodes)
    assert decided(ray, replace(SLICE, desired=1), workers).group("slice").wanted == 1


@pytest.mark.parametrize("joined", [0, 1, 2])
def test_slices_on_their_way_bring_one_head_each(joined: int) -> None:
    """Also if some of the hosts have joined already, with or without the head."""
    nodes, workers = slices(1, free=True)
    of = replace(SLICE, desired=2)
    for there in (nodes[:joined], nodes[::-1][:joined]):
        ray = state(tasks(2, **HEAD_TASK), nodes=there)
        assert decided(ray, of, workers).group("slice").wanted == 2
        more = state(tasks(3, **HEAD_TASK), nodes=there)
        assert decided(more, of, workers).group("slice").wanted == 3


def test_a_custom_resource_of_one_host_is_learned_as_well() -> None:
    """One host of each replica has it, whatever it is called."""
    nodes = [
        node(f"{name}-{host}", "mpi", resources(CPU=4, **({"coordinator": 1} if host == 1 else {})))
        for name in "ab"
        for host in range(3)
    ]
    known = learned(state(nodes=nodes), {one.instance_id: one.instance_id[0] for one in nodes})["mpi"]
    assert (dict(known.resources), dict(known.first_host)) == ({"CPU": 4}, {"coordinator": 1})


def test_a_head_resource_in_the_manifest_counts_once_per_slice() -> None:
    """`ray start` is the same on all hosts, and a slice still counts once."""
    params = {"num-cpus": "8", "resources": f'\'{{"TPU": 4, "{HEAD}": 1}}\''}
    of = manifest(template=template(), rayStartParams=params)
    assert decided(state(tasks(3, **HEAD_TASK)), of).group("slice").wanted == 3


@pytest.mark.parametrize(
    ("accelerator", "topology", "hosts", "head"),
    [
        ("tpu-v4-podslice", "2x2x1", 1, "TPU-v4-8-head"),
        ("tpu-v4-podslice", "4x4x4", 16, "TPU-v4-128-head"),
        ("tpu-v5-lite-podslice", "2x4", 2, "TPU-v5litepod-8-head"),
        ("tpu-v5-lite-device", "1x1", 1, "TPU-v5litepod-1-head"),
        ("tpu-v5p-slice", "2x2x2", 2, "TPU-v5p-16-head"),
        ("tpu-v6e-slice", "4x4", 4, "TPU-v6e-16-head"),
        ("tpu7x", "2x2x1", 1, "TPU-v7x-8-head"),
    ],
)
def test_the_resource_of_the_head_is_known_from_the_node_selector(
    accelerator: str, topology: str, hosts: int, head: str
) -> None:
    """Ray will name it so on the first host."""
    made = template(cpu="8", **{"google.com/tpu": "4"})
    made["spec"]["nodeSelector"] = dict(zip(SELECTOR, (accelerator, topology), strict=True))
    assert dict(manifest(template=made, numOfHosts=hosts).first_host) == {head: 1}


@pytest.mark.parametrize("topology", ["", "2x", "axb", "2x2x2x2x2", "99999x1", None, 4])
def test_an_invalid_topology_is_ignored(topology: object) -> None:
    made = template(cpu="8", **{"google.com/tpu": "4"})
    made["spec"]["nodeSelector"] = SELECTOR | {"cloud.google.com/gke-tpu-topology": topology}
    assert manifest(template=made).first_host == ()


def test_the_placement_group_that_reserves_a_slice_starts_one() -> None:
    """Ray itself asks for a slice so: by labels that only its head has."""
    selector = (
        LabelConstraint("ray.io/tpu-pod-type", ("v4-16",)),
        LabelConstraint("ray.io/tpu-worker-id", ("0",)),
    )
    gang = Gang("ab12", Strategy.PACK, (tasks(1, selector, **HEAD_TASK),))
    assert decided(state(gangs=[gang]), manifest()).group("slice").wanted == 1
    other = Gang("cd34", Strategy.PACK, (tasks(1, (LabelConstraint("ray.io/tpu-pod-type", ("v4-32",)),)),))
    assert decided(state(gangs=[other]), manifest()).group("slice").wanted == 0


def test_min_and_request_resources_count_heads() -> None:
    """Two slices for min have two heads; a third slice starts for the third requested head."""
    of = replace(SLICE, min_replicas=2)
    asked = state(constraints=[(tasks(3, **HEAD_TASK),)])
    assert decided(asked, of).group("slice").wanted == 3
    assert decided(state(tasks(2, **HEAD_TASK)), of).group("slice").wanted == 2


def test_a_request_that_no_slice_satisfies_names_the_largest_amount() -> None:
    """The largest host is the first one."""
    answer = decided(state(tasks(1, **{HEAD: 2})), SLICE).answers[0]
    assert answer.holds[0].message == f"2 {HEAD} on one node: the largest group has 1"
