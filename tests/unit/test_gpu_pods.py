"""GPUs of pods without a cluster: which of them hold devices."""

import pytest
from msgspec.structs import replace

from rayfleet.fleet.gpu_pods import GpuPods
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.objects.keys import Owner, unowned
from rayfleet.kube.objects.pods import Pod
from support.builders import cluster, worker

KINDS = ["RayCluster"]


@pytest.mark.parametrize(
    ("owner", "node_name", "counted"),
    [
        pytest.param(None, "node-1", 3, id="left running"),
        pytest.param(None, "", 0, id="nobody's, and runs nowhere"),
        pytest.param(Owner("ReplicaSet", "x", "uid-x"), "", 0, id="of another kind, and runs nowhere"),
    ],
)
def test_a_pod_that_no_cluster_controls_holds_gpus_only_if_it_runs(
    owner: Owner | None, node_name: str, counted: int
) -> None:
    """Otherwise whoever may create pods could use up everybody's room with pods that never start."""
    pods, pod = Store(Pod, KINDS), worker(cluster(), 1, gpus=3)
    pods.apply(replace(pod, owner=owner, node_name=node_name, template_hash="hash-1"))
    assert GpuPods(RootStore("RayCluster"), pods).left(unowned(pod.namespace)) == counted
