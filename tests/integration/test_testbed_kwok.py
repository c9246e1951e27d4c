"""The kwok profile of the test bed: fake nodes on which any number of pods come and go."""

import os
from collections.abc import Iterator

import pytest

from support.cluster_api import ClusterApi
from support.waiting import eventually
from testbed import beds, record
from testbed.processes import recorded, start_time
from testbed.progress import QUIET
from testbed.record import KWOK, Bed, Wanted

NAME = f"test-{os.getpid()}-kwok"
NODES = 5
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """A small bed of this module's own."""
    yield beds.up(Wanted(NAME, KWOK, nodes=NODES, gpus_per_node=8), QUIET, owned=True)
    beds.down(NAME, QUIET)


@pytest.fixture(scope="module")
def kwok_api(bed: Bed) -> Iterator[ClusterApi]:
    client = ClusterApi(bed.kubeconfig)
    yield client
    client.close()


def test_a_pod_gets_ready_on_a_fake_node_with_its_gpus_and_is_gone_once_deleted(kwok_api: ClusterApi) -> None:
    """The scheduler finds a node for it; kwok plays the kubelet, with an address and every container."""
    wants = {"limits": {"nvidia.com/gpu": "8"}}
    container = {"name": "ray", "image": "example.com/none:1", "resources": wants}
    spec = {"containers": [container], "initContainers": [{"name": "wait", "image": "example.com/none:1"}]}
    kwok_api.call("POST", PODS, {"metadata": {"name": "fake"}, "spec": spec})

    def status() -> dict[str, object]:
        found: dict[str, object] = kwok_api.call("GET", f"{PODS}/fake")["status"]
        assert found["phase"] == "Running", found
        return found

    seen = eventually("the pod to run", status, seconds=20)
    conditions = seen["conditions"]
    assert isinstance(conditions, list)
    assert {each["type"] for each in conditions if each["status"] == "True"} >= {"Ready", "PodScheduled"}
    assert str(seen["podIP"]).startswith("10.")
    kwok_api.call("DELETE", f"{PODS}/fake")
    eventually("the pod to be gone", lambda: not kwok_api.exists(f"{PODS}/fake"), seconds=20)


def test_every_fake_node_is_ready_and_renews_its_lease_like_a_kubelet(kwok_api: ClusterApi) -> None:
    """Otherwise the controller manager would take the nodes for lost after a minute."""
    nodes = kwok_api.call("GET", "/api/v1/nodes")["items"]
    assert [node["status"]["allocatable"]["nvidia.com/gpu"] for node in nodes] == ["8"] * NODES
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    eventually("each node's lease", lambda: len(kwok_api.call("GET", leases)["items"]) == NODES, seconds=30)


def test_nothing_is_left_of_a_bed_with_fake_nodes() -> None:
    """kwok is recorded like every other program of a bed, and ends with it."""
    name = f"{NAME}-2"
    made = beds.up(Wanted(name, KWOK, nodes=1, gpus_per_node=0), QUIET, owned=True)
    pids = {daemon.name: daemon.pid for daemon in recorded(made.folder / "processes")}
    assert pids["kwok"]
    beds.down(name, QUIET)
    assert not any(start_time(pid) for pid in pids.values() if pid)
    assert name not in record.names()
