"""One control plane and one installed chart for all, a namespace for each test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster_api import ClusterApi, Namespace
from support.job_operators import jobs_installed
from support.operator_process import (
    OperatorProcess,
    grant_lease,
    install_chart,
    service_account_kubeconfig,
    wait_for_owner_references,
)
from support.testbed import RunningControlPlane, control_plane

__all__ = ["control_plane"]

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of pods with owners come last: an API server takes half a minute to learn of a new kind."""
    items.sort(key=lambda item: "api" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def installed(control_plane: RunningControlPlane) -> RunningControlPlane:
    """The shared control plane, with the chart installed before the first test."""
    install_chart(control_plane.kubeconfig)
    return control_plane


@pytest.fixture(scope="session")
def api(installed: RunningControlPlane) -> Iterator[ClusterApi]:
    """An admin's client of the shared control plane, where a RayCluster can own children."""
    client = ClusterApi(installed.kubeconfig)
    wait_for_owner_references(client)
    yield client
    client.close()


@pytest.fixture(scope="module")
def jobs_allowed(api: ClusterApi) -> Iterator[None]:
    """The chart with the CRD of RayJob and the rights that it takes."""
    with jobs_installed(api):
        yield


@pytest.fixture
def namespace(api: ClusterApi) -> Namespace:
    """A namespace that no other test uses."""
    name = f"test-{next(_numbers)}"
    api.create_namespace(name)
    grant_lease(api, name)
    return api.namespace(name)


@pytest.fixture
def stopped_operator(api: ClusterApi, namespace: Namespace, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator for this test's namespace that has not been started."""
    kubeconfig = service_account_kubeconfig(api, tmp_path)
    process = OperatorProcess(kubeconfig, tmp_path, ["--namespace", namespace.name])
    yield process
    process.kill()


@pytest.fixture
def operator(stopped_operator: OperatorProcess) -> OperatorProcess:
    """A running operator for this test's namespace."""
    stopped_operator.start()
    return stopped_operator


@pytest.fixture
def job_operator(
    api: ClusterApi,
    namespace: Namespace,
    tmp_path: Path,
    jobs_allowed: None,  # noqa: ARG001 - it is needed first
) -> Iterator[OperatorProcess]:
    """A running operator for this test's namespace that runs jobs."""
    kubeconfig = service_account_kubeconfig(api, tmp_path)
    process = OperatorProcess(kubeconfig, tmp_path, ["--namespace", namespace.name, "--jobs", "true"])
    process.start()
    yield process
    process.kill()
