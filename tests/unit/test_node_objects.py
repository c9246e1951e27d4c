"""The fields of a node that are kept, and those that are not."""

from typing import Any

import pytest

from rayfleet.kube.cache import Store
from rayfleet.kube.objects.nodes import (
    LONGEST_LABEL_VALUE,
    LONGEST_MESSAGE,
    LONGEST_WORD,
    MOST_CONDITIONS,
    MOST_DEVICES,
    MOST_LABELS,
    MOST_TAINTS,
    Devices,
    Node,
    NodeCondition,
    Taint,
    node_from_object,
)
from support.node_objects import ALWAYS, READY, UNIX_SINCE, condition, gpu_node


def read(**parts: Any) -> Node:
    return node_from_object(gpu_node(**parts))


def test_only_devices_and_labels_of_a_healthy_node_are_kept() -> None:
    """CPU, memory, images and addresses are not kept."""
    assert read() == Node(
        name="gpu-1",
        uid="uid-gpu-1",
        resource_version=1,
        ready=True,
        reason="",
        message="",
        since=UNIX_SINCE,
        unschedulable=False,
        taints=(),
        conditions=(),
        devices=(Devices("nvidia.com/gpu", 8, 8),),
        labels=tuple(sorted({**ALWAYS, "kubernetes.io/hostname": "gpu-1"}.items())),
    )


def test_a_node_that_is_not_ready_says_why_and_since_when() -> None:
    """A silent node is not ready either, for another reason."""
    lost = condition("Ready", "Unknown", reason="NodeStatusUnknown", message="Kubelet stopped posting.")
    node = read(conditions=[lost])
    assert (node.ready, node.reason, node.message) == (False, "NodeStatusUnknown", "Kubelet stopped posting.")
    assert node.since == UNIX_SINCE
    ill = read(conditions=[condition("Ready", "False", reason="KubeletNotReady", message="m" * 9999)])
    assert (ill.ready, ill.reason, len(ill.message)) == (False, "KubeletNotReady", LONGEST_MESSAGE)


def test_a_node_without_a_status_is_not_ready_and_has_nothing() -> None:
    node = node_from_object({"metadata": {"name": "new", "uid": "u", "resourceVersion": "7"}})
    assert (node.ready, node.reason, node.since) == (False, "", 0.0)
    assert (node.taints, node.conditions, node.devices, node.labels) == ((), (), (), ())


def test_taints_and_a_cordon_are_kept() -> None:
    """Their order does not matter, and a value is optional."""
    taints = [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "example.com/odd", "effect": "NoExecute", "timeAdded": "2026-11-30T12:00:12Z"},
    ]
    expected = (Taint("example.com/odd", "", "NoExecute"), Taint("nvidia.com/gpu", "present", "NoSchedule"))
    for order in (taints, taints[::-1], taints * 2):
        node = read(taints=order, unschedulable=True)
        assert (node.taints, node.unschedulable) == (expected, True)


def test_other_conditions_are_kept_if_they_are_true() -> None:
    """Their messages are not kept."""
    node = read(conditions=[READY, condition("XidError", reason="Xid79"), condition("DiskPressure", "False")])
    assert node.conditions == (NodeCondition("XidError", "Xid79", UNIX_SINCE),)


def test_unhealthy_devices_are_not_allocatable() -> None:
    """The device plugin removes them from the allocatable ones; without a plugin none is left."""
    capacity = {"cpu": "96", "nvidia.com/gpu": "8", "google.com/tpu": "4", "example.com/fpga-a": "2"}
    node = read(allocatable={"cpu": "95", "nvidia.com/gpu": "7", "google.com/tpu": "4"}, capacity=capacity)
    assert node.devices == (
        Devices("example.com/fpga-a", 0, 2),
        Devices("google.com/tpu", 4, 4),
        Devices("nvidia.com/gpu", 7, 8),
    )


def test_slices_and_parts_of_devices_are_kept_under_their_own_names() -> None:
    """Other resources of the same vendors are not."""
    amounts = {"nvidia.com/mig-1g.10gb": "7", "nvidia.com/gpumem": "81920", "rdma/hca": "1", "vpc/eni": "3"}
    assert {each.resource for each in read(capacity=amounts).devices} == {
        "nvidia.com/gpu",
        "nvidia.com/gpumem",
        "nvidia.com/mig-1g.10gb",
    }


@pytest.mark.parametrize("amount", ["-1", "", "many", "1e999", None, [], "9" * 10_000])
def test_an_odd_amount_is_still_a_number(amount: object) -> None:
    (devices,) = read(allocatable={"nvidia.com/gpu": amount}, capacity={}).devices
    assert 0 <= devices.allocatable <= 10**9
    assert devices.capacity == 0


def test_labels_that_nobody_selects_by_are_dropped() -> None:
    """All others are kept, because a later cluster may select by any of them."""
    left_out = {
        "feature.node.kubernetes.io/cpu-cpuid.AVX512F": "true",
        "feature.node.kubernetes.io/kernel-version.full": "6.8.0",
        "nvidia.com/gpu.deploy.dcgm": "true",
    }
    kept = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "team": "blue", "example.com/rack": ""}
    assert read(labels=left_out | kept).labels == read(labels=kept).labels
    assert kept.items() <= dict(read(labels=kept).labels).items()


def test_the_labels_of_kubernetes_are_kept_if_there_are_too_many() -> None:
    """The selection is stable; and a label that the API server would refuse is dropped, not cut."""
    many = {f"aaa.example/{number:05}": "x" for number in range(5000)}
    huge = {"k" * 5000: "x", "long": "v" * (LONGEST_LABEL_VALUE + 1)}
    zone = {"topology.kubernetes.io/zone": "a", "topology.gke.io/zone": "b", "x.k8s.io/rack": "c"}
    labels = read(labels=many | huge | zone).labels
    assert len(labels) == MOST_LABELS
    assert {**ALWAYS, "topology.kubernetes.io/zone": "a", "x.k8s.io/rack": "c"}.items() <= set(labels)
    assert labels == read(labels=dict(reversed((many | huge | zone).items()))).labels
    assert not huge.keys() & dict(labels).keys()


def test_the_memory_of_a_node_is_bounded() -> None:
    """Its object may have any size."""
    words = "w" * 5000
    node = read(
        taints=[{"key": f"{number}{words}", "value": words, "effect": words} for number in range(900)],
        conditions=[condition(f"{number}{words}", reason=words) for number in range(900)],
        capacity={f"nvidia.com/gpu-{number}": "1" for number in range(900)},
    )
    assert (len(node.taints), len(node.conditions)) == (MOST_TAINTS, MOST_CONDITIONS)
    assert len(node.devices) == MOST_DEVICES
    assert {len(word) for each in node.conditions for word in each[:2]} == {LONGEST_WORD}
    assert max(len(word) for taint in node.taints for word in taint) < 400


def heard(store: Store[Node], version: int, **parts: Any) -> bool:
    """Whether the new state of a node is a change."""
    return store.apply(node_from_object(gpu_node(version=version, **parts)))


def test_a_heartbeat_is_not_a_change() -> None:
    """Nor is slightly less memory, or a slightly higher age in the kubelet's message."""
    store = Store(Node)
    assert heard(store, 1)
    later = {"lastHeartbeatTime": "2026-11-30T14:00:00Z"}
    assert not heard(
        store, 2, conditions=[READY | later], capacity={"memory": "1055Gi", "nvidia.com/gpu": "8"}
    )
    pleg = "PLEG is not healthy: pleg was last seen active {} ago; threshold is 3m0s"
    ill = condition("Ready", "False", reason="KubeletNotReady", message=pleg.format("3m4.1s"))
    assert heard(store, 3, conditions=[ill])
    for version, ago in enumerate(("3m14.123456789s", "59m1s", "1h4m54s", "812ms"), 4):
        assert not heard(store, version, conditions=[ill | {"message": pleg.format(ago)}])
    (node,) = store
    assert node.message == pleg.format("a while")
    assert node.resource_version == 7


def test_nodes_share_equal_labels_and_devices() -> None:
    """A hundred nodes have the same labels except for the name of the host."""
    store = Store(Node)
    for name in ("a", "b"):
        heard(store, 1, name=name, taints=[{"key": "gpu", "effect": "NoSchedule"}])
    one, other = store
    shared = [ours is theirs for ours, theirs in zip(one.labels, other.labels, strict=True)]
    assert shared.count(False) == 1
    assert one.taints is other.taints
    assert one.devices is other.devices
