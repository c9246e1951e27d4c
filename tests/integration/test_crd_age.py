"""An operator with an older or foreign CRD works, and says so until that changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.kube.informer.crd_age import trouble_with
from support.cluster_api import ClusterApi, Namespace
from support.operator_process import RELEASE, REPOSITORY, OperatorProcess, service_account_kubeconfig
from support.waiting import eventually

IMPATIENT = """
import sys
from rayfleet import main
from rayfleet.kube.informer import crd_age

crd_age.LOOK_SECONDS = crd_age.LOOK_AGAIN_SECONDS = 0.2
sys.exit(main.main())
"""
"""Waits of seconds instead of minutes."""
NAME = "rayclusters.ray.io"
PATH = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}"
OURS = CRD_REVISIONS[NAME]


@pytest.fixture
def operator(api: ClusterApi, namespace: Namespace, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator with the rights of the chart."""
    kubeconfig = service_account_kubeconfig(api, tmp_path)
    process = OperatorProcess(
        kubeconfig, tmp_path, ["--namespace", namespace.name], program=("-c", IMPATIENT)
    )
    process.start()
    yield process
    process.kill()
    revise(api, words(OURS))


def words(revision: int) -> str:
    return f"A Ray cluster: a head and groups of workers. Schema revision {revision} of rayfleet."


def revise(api: ClusterApi, text: str) -> None:
    """Describe the schema otherwise, as another CRD that is applied over ours does."""
    where = "/spec/versions/0/schema/openAPIV3Schema/description"
    patch = [{"op": "replace", "path": where, "value": text}]
    api.call("PATCH", PATH, patch, content_type="application/json-patch+json")


def says(operator: OperatorProcess, outdated: int, words: str) -> bool:
    """Whether it is ready, with this metric and these words in `/readyz`."""
    status, text = operator.health("readyz")
    assert status == 200, text
    assert words in text, text
    assert f'rayfleet_crd_outdated{{crd="{NAME}"}} {outdated}.0' in operator.metrics()
    return True


def test_it_says_that_its_crd_is_old_until_it_is_upgraded(api: ClusterApi, operator: OperatorProcess) -> None:
    """It notices while it runs, too: a CRD may be replaced at any time."""
    eventually("the CRD to be found well", lambda: says(operator, 0, "ok"))
    revise(api, words(0))
    eventually(
        "an old CRD to be noticed", lambda: says(operator, 1, f"(revision 0, the operator's is {OURS})")
    )
    revise(api, "RayCluster is the Schema for the RayClusters API")
    eventually("KubeRay's CRD to be noticed", lambda: says(operator, 1, "is not from rayfleet"))
    revise(api, words(OURS))
    eventually("the upgrade to be noticed", lambda: says(operator, 0, "ok"))
    assert "CRD" not in operator.health("readyz")[1]
    warned = [line["message"] for line in operator.log_lines() if f"CRD {NAME}" in str(line.get("message"))]
    assert len(warned) == 3, warned


def test_the_installed_crd_is_the_one_that_the_operator_was_built_with(api: ClusterApi) -> None:
    """By the chart; and `kubectl apply -f crds/` brings the same."""
    crd = api.call("GET", PATH)
    assert crd["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE
    manifest = yaml.load((REPOSITORY / "crds" / "ray.io_rayclusters.yaml").read_text(), yaml.CSafeLoader)
    for found in (crd, manifest):
        assert trouble_with(NAME, found, OURS) is None
        assert trouble_with(NAME, found, OURS + 1) is not None
