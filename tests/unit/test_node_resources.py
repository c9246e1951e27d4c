"""The resources of one more node of a group: by flags, by running nodes, by requests."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.accelerators import accelerators_of_pod
from rayfleet.autoscaling import AutoscalingPolicy, Memory, decide
from rayfleet.kinds.raycluster.manifests import worker_resources
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.plan.learned import learned
from rayfleet.kinds.raycluster.plan.scaling import group_of
from rayfleet.ray.state import Demand, LabelConstraint, Shape
from support.builders import group, head, parsed, snapshot, spec, worker
from support.demand_cases import node as ray_node
from support.demand_cases import resources, state, tasks
from support.manifest_samples import built_worker, flags
from support.manifest_samples import spec as sample_spec
from support.queued_clusters import creates, node, scaled, view

GIB = 1 << 30


def has(container: dict[str, Any], pod: dict[str, Any] | None = None, **fields: Any) -> dict[str, float]:
    """The known resources of a node of such a group."""
    template = {"spec": {"containers": [{"name": "ray", "resources": container}], "resources": pod or {}}}
    made = parsed(spec(group("g", 0, template=template, **fields))).worker_group_specs[0]
    return dict(worker_resources(made))


@pytest.mark.parametrize(
    ("container", "pod", "expected"),
    [
        ({"requests": {"cpu": "4", "memory": "16Gi"}}, None, {"CPU": 4, "memory": 16 * GIB}),
        (
            {"limits": {"cpu": "4"}, "requests": {"cpu": "2", "memory": "16Gi"}},
            None,
            {"CPU": 4, "memory": 16 * GIB},
        ),
        (
            {"limits": {"memory": "32Gi"}, "requests": {"cpu": "1500m", "memory": "16Gi"}},
            None,
            {"CPU": 2, "memory": 32 * GIB},
        ),
        ({"requests": {"nvidia.com/gpu": "2"}}, None, {"GPU": 2}),
        (
            {"requests": {"google.com/tpu": "4", "aws.amazon.com/neuroncore": "0"}},
            None,
            {"TPU": 4},
        ),
        ({}, {"limits": {"cpu": "8", "memory": "32Gi"}}, {"CPU": 8, "memory": 32 * GIB}),
        ({}, {"requests": {"cpu": "8", "memory": "32Gi"}}, {"CPU": 8, "memory": 32 * GIB}),
        (
            {"requests": {"cpu": "2", "memory": "1Gi"}},
            {"limits": {"cpu": "8", "memory": "32Gi"}},
            {"CPU": 2, "memory": 32 * GIB},
        ),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "8", "memory": "many"}}, {"CPU": 2}),
    ],
)
def test_a_node_has_the_limits_or_requests_of_its_container_or_pod(
    container: dict[str, Any], pod: dict[str, Any] | None, expected: dict[str, float]
) -> None:
    """Its own limits first, then the requests, then those of the pod as a whole."""
    assert has(container, pod) == expected


def test_flags_of_the_user_go_before_requests() -> None:
    """A flag of 0 does, too."""
    params = {"num-cpus": "1", "memory": "1000", "num-gpus": "0", "resources": "'{\"TPU\": 2}'"}
    requests = {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1", "google.com/tpu": "8"}
    found = has({"requests": requests}, rayStartParams=params)
    assert found == {"CPU": 1, "memory": 1000, "TPU": 2}


def test_memory_in_requests_only_serves_the_queue_and_ray_gets_no_limit() -> None:
    """Ray uses the machine's memory; the pods stay as they are."""
    template = {"spec": {"containers": [{"name": "ray", "resources": {"requests": {"memory": "16Gi"}}}]}}
    made = group_of(
        parsed(
            spec(group("burst", 0, template=template, rayStartParams={"num-cpus": "4"}))
        ).worker_group_specs[0],
        60,
    )
    decision = decide(state(tasks(2, CPU=1, memory=4 * GIB)), [made], (), AutoscalingPolicy(), Memory(), 0)
    assert decision.group("burst").wanted == 1
    pod = built_worker(sample_spec(worker={"template": template}))
    assert "memory" not in flags(pod)


def test_resources_of_running_nodes_go_before_requests_and_after_flags() -> None:
    """A machine of 64 GiB counts so once its first node is known; a flag still wins."""
    template = {"spec": {"containers": [{"name": "ray", "resources": {"requests": {"memory": "16Gi"}}}]}}
    made = parsed(spec(group("g", 0, template=template, rayStartParams={"num-cpus": "2"})))
    found = worker_resources(made.worker_group_specs[0], resources(CPU=32, memory=64 * GIB))
    assert dict(found) == {"CPU": 2, "memory": 64 * GIB}


def test_labels_that_the_nodes_of_a_group_have_in_common_are_its_labels() -> None:
    """Labels of one node or slice do not count, nor those in which nodes differ."""
    same = {"ray.io/accelerator-type": "H100", "ray.io/market-type": "spot"}
    nodes = [
        ray_node(
            f"w{n}",
            "gpu",
            resources(CPU=8, **{"slice-7": 1}),
            labels=tuple(
                sorted(
                    {
                        **same,
                        "ray.io/node-id": f"{n}",
                        "ray.io/availability-zone": f"zone-{n}",
                        "ray.io/tpu-slice-name": "slice-7",
                    }.items()
                )
            ),
        )
        for n in range(2)
    ]
    found = learned(state(nodes=nodes), {})["gpu"]
    assert dict(found.labels) == same
    assert dict(found.resources) == {"CPU": 8}


def test_work_that_selects_a_label_of_running_nodes_starts_another_node() -> None:
    """No manifest states the GPU's type; the running node does."""
    of = scaled()
    pods = [head(of), worker(of, 1)]
    labels = (("ray.io/accelerator-type", "H100"),)
    h100 = ((LabelConstraint("ray.io/accelerator-type", ("H100",)),),)
    nodes = [node(pods[0]), replace(node(pods[1]), labels=labels, available=())]
    waiting = Demand(Shape(resources(GPU=1), h100), 1)
    assert len(creates(plan(snapshot(of, pods, scaling=view(nodes, waiting))))) == 1


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"nvidia.com/gpu": "2"}, 2),
        ({"nvidia.com/gpu.shared": "3"}, 3),
        ({"nvidia.com/mig-1g.5gb": "2", "nvidia.com/gpu": "1"}, 3),
        ({"nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000", "nvidia.com/gpucores": "30"}, 1),
        ({"aliyun.com/gpu-mem": "8"}, 1),
        ({"amd.com/gpu": 8}, 8),
        ({"gpu.intel.com/i915": "1"}, 1),
        ({"google.com/tpu": "4"}, 4),
        ({"aws.amazon.com/neuroncore": "32"}, 32),
        ({"habana.ai/gaudi": "8"}, 8),
        ({"huawei.com/Ascend910": "8"}, 8),
        ({"nvidia.com/GA102GL_A10": "1"}, 1),
        ({"nvidia.com/hostdev": "4"}, 0),
        ({"rdma/hca_shared_devices_a": "1"}, 0),
        ({"example.com/input": "1"}, 0),
        ({"cpu": "8", "memory": "8Gi", "hugepages-2Mi": "1Gi"}, 0),
        ({"nvidia.com/gpu": "many"}, 0),
        ({"nvidia.com/gpu": "0.5"}, 1),
        ({"enflame.com/gcu": "8"}, 8),
        ({"example.com/vgcu": "8"}, 8),
        ({"example.com/ipus": "8"}, 8),
        ({"intel.com/vpu": "8"}, 8),
        ({"qualcomm.com/qaic100": "8"}, 8),
        ({"cambricon.com/vmlu": "8"}, 8),
        ({"kunlunxin.com/vxpu": "8"}, 8),
        ({"hygon.com/vdcu": "8"}, 8),
        ({"amd.com/xilinx_u250": "8"}, 8),
        ({"hailo.ai/h8": "8"}, 8),
        ({"cerebras.com/wse": "8"}, 8),
        ({"groq.com/card": "8"}, 8),
        ({"baidu.com/a100_80g": "8"}, 8),
        ({"example.com/gpu0": "8"}, 8),
        ({"example.com/gpuA100": "8"}, 8),
        ({"example.com/npu2": "8"}, 8),
        ({"nvidia.com/gpu-rdma": "8"}, 8),
        ({"gpu.intel.com/i915_monitoring": "1"}, 0),
        ({"tencent.com/vcuda-core": "800", "tencent.com/vcuda-memory": "9000"}, 8),
        ({"koordinator.sh/gpu-core": "801"}, 9),
        ({"koordinator.sh/gpu": "800", "koordinator.sh/gpu-memory-ratio": "800"}, 8),
        ({"aliyun.com/gpu-core.percentage": "30"}, 1),
        ({"gpu.intel.com/i915": "2", "gpu.intel.com/millicores": "8000"}, 8),
        ({"volcano.sh/vgpu-number": "2", "volcano.sh/vgpu-cores": "50"}, 2),
        ({"example.com/output0": "8", "example.com/cpus": "8"}, 0),
    ],
)
def test_accelerators_of_a_pod_are_counted_under_every_name(limits: dict[str, Any], count: int) -> None:
    """A part of one counts as one; amounts of its memory do not count as devices."""
    for place in ("limits", "requests"):
        assert accelerators_of_pod({"containers": [{"resources": {place: limits}}]}) == count


def test_all_containers_of_a_pod_count() -> None:
    """Containers add up; of the init containers the largest counts."""
    one, four = ({"resources": {"limits": {"nvidia.com/gpu": n}}} for n in ("1", "4"))
    sidecar = {**one, "restartPolicy": "Always"}
    assert accelerators_of_pod({"containers": [one, one]}) == 2
    assert accelerators_of_pod({"containers": [one, one], "initContainers": [four]}) == 4
    assert accelerators_of_pod({"containers": [one, one], "initContainers": [sidecar, sidecar]}) == 4
    assert accelerators_of_pod({"containers": [one], "initContainers": [sidecar, four]}) == 5


@pytest.mark.parametrize("pod", [{}, {"containers": None}, {"containers": [None, {"resources": []}]}])
def test_an_invalid_pod_has_no_accelerators(pod: dict[str, Any]) -> None:
    """The API server will report the fault."""
    assert accelerators_of_pod(pod) == 0
