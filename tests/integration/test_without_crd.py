"""An operator that starts before its CRD exists, in all namespaces."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.builders import raycluster
from support.cluster_api import ClusterApi
from support.operator_process import REPOSITORY, OperatorProcess
from support.testbed import RunningControlPlane, running_control_plane
from support.waiting import eventually

CRD = REPOSITORY / "crds" / "ray.io_rayclusters.yaml"


@pytest.fixture
def bare() -> Iterator[RunningControlPlane]:
    """A control plane without our CRD."""
    with running_control_plane("-bare", audit_log=False) as running:
        yield running


def test_it_is_not_ready_until_its_crd_exists_and_then_acts_in_every_namespace(
    bare: RunningControlPlane, tmp_path: Path
) -> None:
    """Helm installs both in any order."""
    api = ClusterApi(bare.kubeconfig)
    operator = OperatorProcess(bare.kubeconfig, tmp_path)
    try:
        operator.start(wait=False)
        status, words = eventually("an answer", lambda: a if (a := operator.health("readyz"))[0] else None)
        assert (status, "install the CRD" in words) == (503, True)
        assert operator.health("healthz") == (200, "ok")
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        api.call("POST", path, yaml.safe_load(CRD.read_text()))
        eventually("the operator to be ready", operator.is_ready)
        for name in ("red", "blue"):
            api.create_namespace(name)
            api.namespace(name).apply(raycluster())
        red, blue = api.namespace("red"), api.namespace("blue")
        eventually("the pods in red", lambda: len(red.living_pods()) == 4, seconds=40)
        eventually("the pods in blue", lambda: len(blue.living_pods()) == 4, seconds=40)
        # For half a minute the API server does not let the new kind own anything: the user need not know.
        warnings = [e for space in (red, blue) for e in space.events() if e["type"] == "Warning"]
        assert not warnings
        assert not red.condition("demo", "ReplicaFailure")
        assert operator.stop() < 5
    finally:
        operator.kill()
        api.close()
