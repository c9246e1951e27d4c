"""`rayfleet explain` on a real API server, with an admin's rights and with fewer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfleet.cli.main import main
from support.builders import group, raycluster, spec, template
from support.cluster_api import ClusterApi, Namespace, running
from support.operator_process import service_account_kubeconfig

QUOTA = "pods is forbidden: exceeded quota: gpus"
UNSERVED = {"kind": "tasks", "resources": {"GPU": "1"}, "reason": "Blocked", "message": QUOTA}
LACKS = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


@pytest.fixture
def cluster(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """A cluster whose head seems to run, with a worker that fits on no node."""
    gpu = group("gpu", 0, template=template(gpu="1"), maxReplicas=3)
    made = namespace.apply(raycluster(spec_fields=spec(gpu, enableInTreeAutoscaling=True)))
    for name, labels in (
        ("demo-head", {"ray.io/node-type": "head", "ray.io/group": "headgroup"}),
        ("demo-worker", {"ray.io/node-type": "worker", "ray.io/group": "gpu"}),
    ):
        owner = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "demo", "controller": True}
        metadata = {
            "name": name,
            "labels": labels | {"ray.io/cluster": "demo"},
            "ownerReferences": [owner | {"uid": made["metadata"]["uid"]}],
        }
        # The test plays the scheduler.
        pod_spec = {**template()["spec"], "schedulerName": "nobody"}
        namespace.create("pods", {"metadata": metadata, "spec": pod_spec})
    namespace.set_pod_status("demo-head", running())
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": LACKS}
    namespace.set_pod_status("demo-worker", {"phase": "Pending", "conditions": [condition]})
    namespace.set_cluster_status(
        "demo", {"autoscaler": {"summary": "Desired: gpu 1.", "unserved": [UNSERVED]}}
    )
    yield made
    namespace.delete_cluster("demo")


def explained(
    capsys: pytest.CaptureFixture[str], namespace: str, kubeconfig: Path, *options: str, name: str = "demo"
) -> tuple[int, str, str]:
    given = ("explain", f"raycluster/{name}", "-n", namespace, "--kubeconfig", str(kubeconfig), *options)
    code = main(given)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.usefixtures("cluster")
def test_without_an_answer_of_the_head_the_operators_status_is_shown(
    api: ClusterApi, namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output has the scheduler's message on the pod, and why the queue itself is unknown."""
    code, said, trouble = explained(capsys, namespace.name, api.kubeconfig)
    words = " ".join(said.split())
    assert (code, trouble) == (0, "")
    assert "The queue cannot be seen from here: the port-forward to pod demo-head failed:" in words
    assert f"1 GPU tasks Blocked {QUOTA}" in words
    assert f"Unschedulable: {LACKS}" in words


@pytest.mark.usefixtures("cluster")
def test_explain_says_when_the_user_may_not_port_forward(
    api: ClusterApi, namespace: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the right to ask for, and what else may not be read. The operator has such rights."""
    kubeconfig = service_account_kubeconfig(api, tmp_path)
    code, said, trouble = explained(capsys, namespace.name, kubeconfig, "-o", "json")
    assert (code, trouble) == (0, "")
    found = json.loads(said)
    assert not found["queue"]["known"]
    assert (
        "you may not port-forward to the head (ask for the verbs get and create" in found["queue"]["message"]
    )
    assert found["noted"][0]["message"] == QUOTA
    assert [one["name"] for one in found["pendingPods"]] == ["demo-worker"]
    assert any(one.startswith("events cannot be read: ") for one in found["notRead"])


def test_a_cluster_that_is_not_there_is_named(
    api: ClusterApi, namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says where to look."""
    code, said, trouble = explained(capsys, namespace.name, api.kubeconfig, name="other")
    assert (code, said) == (1, "")
    assert f"there is no RayCluster other in namespace {namespace.name}: run `kubectl get" in trouble
